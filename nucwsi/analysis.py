"""The pipeline in one call from Python: a picture in, its nuclei out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
from numpy.typing import NDArray

from nucwsi.config.pipeline import PredictSettings, SegmentSettings, StitchSettings, TileSettings
from nucwsi.config.section import validated
from nucwsi.errors import ConfigError

if TYPE_CHECKING:
    from PIL import Image

#: Levels of zlib that a picture is kept with for as long as the call takes: the fastest.
_COMPRESSION = 1


def analyse(
    image: str | os.PathLike[str] | NDArray[np.uint8] | Image.Image,
    *,
    mpp: float | None = None,
    members: str | Sequence[str] = ("default",),
    views: int = 1,
    device: str = "auto",
    threads: int | None = None,
    tile: dict[str, Any] | None = None,
    segment: dict[str, Any] | None = None,
) -> geopandas.GeoDataFrame:
    """Find and classify the nuclei of a picture or a slide.

    These are the steps of the workflow with its defaults, so the nuclei are those of
    ``nuclei.parquet`` to the last digit. What lies between the steps is kept in a temporary folder,
    which is gone when the call ends.

    Parameters
    ----------
    image : path, (H, W, 3) ndarray of uint8, or PIL.Image.Image
        A slide or a picture: a file of any format that the workflow reads, an array of red, green
        and blue (0 to 255), or a picture in colours of 8 bits.
    mpp : float, optional
        µm per pixel of level 0. An array and most pictures need it; a slide knows its own.
    members : str or sequence of str
        Names, files or addresses of checkpoints; see docs/members.md.
    views : int
        Flips and quarter turns of each tile that are averaged: 1, 2, 4 or 8.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``xpu``.
    threads : int, optional
        Processor cores to use. Default: as many as torch uses.
    tile, segment : dict, optional
        Settings of these sections of the configuration that differ from their defaults, such as
        ``tile={"tissue": "all"}``.

    Returns
    -------
    geopandas.GeoDataFrame
        One row for each nucleus, with the columns of ``nuclei.parquet`` (docs/outputs.md) but
        ``qupath_id``, which needs the name of a slide; outlines in level-0 pixels, x to the right
        and y down. `compose` understands its ``attrs``.

    Raises
    ------
    ConfigError
        If an argument is wrong.
    NucwsiError
        As the steps of the workflow: if the picture cannot be read, its mpp is not known, or a
        member cannot be loaded.

    Examples
    --------
    >>> import numpy as np, nucwsi
    >>> white = np.full((128, 128, 3), 255, np.uint8)
    >>> len(nucwsi.analyse(white, mpp=0.35, tile={"tissue": "all"}, threads=1))
    0
    """
    import torch

    settings = (
        validated(TileSettings, tile or {}, "`tile`"),
        validated(PredictSettings, {"views": views, "device": device}, "analyse"),
        validated(SegmentSettings, segment or {}, "`segment`"),
    )
    names = (members,) if isinstance(members, str) else tuple(members)
    before = torch.get_num_threads()
    with tempfile.TemporaryDirectory(prefix="nucwsi-") as name, ExitStack() as after:
        after.callback(torch.set_num_threads, before)
        folder = Path(name)
        path = _as_file(image, mpp, folder)
        _run(path, mpp, names, settings, folder, threads or before)
        return geopandas.read_parquet(folder / "nuclei.parquet").drop(columns="qupath_id")


def _as_file(image: Any, mpp: float | None, folder: Path) -> Path:
    """Return the file of a picture, written to `folder` if it is in memory."""
    from PIL import Image

    if isinstance(image, str | os.PathLike):
        return Path(image)
    if not isinstance(image, Image.Image):
        pixels = np.asarray(image)
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise ConfigError(
                f"`image` is an array of {pixels.dtype} of shape {pixels.shape}; expected red,"
                " green and blue as (H, W, 3) of uint8, 0 to 255"
            )
        image = Image.fromarray(pixels)
    if mpp is None:
        raise ConfigError(
            "`mpp` is not given, and a picture in memory does not know it; name the µm per pixel,"
            " e.g. mpp=0.25"
        )
    path = folder / "image.png"
    image.save(path, compress_level=_COMPRESSION)
    return path


def _run(
    path: Path,
    mpp: float | None,
    members: tuple[str, ...],
    settings: tuple[TileSettings, PredictSettings, SegmentSettings],
    folder: Path,
    threads: int,
) -> None:
    """Take a slide through the steps that make ``nuclei.parquet`` in `folder`."""
    from nucwsi.steps.predict import predict
    from nucwsi.steps.segment import segment
    from nucwsi.steps.stitch import stitch
    from nucwsi.steps.tile import tile

    tiles, maps, part = (folder / name for name in ("tiles.zip", "maps.zip", "part.parquet"))
    how_tiled, how_predicted, how_cut = settings
    tile(
        *(path, tiles, folder / "tissue.geojson", how_tiled),
        name=path.stem,
        members=members,
        slide_mpp=mpp,
        threads=threads,
    )
    predict(tiles, maps, how_predicted, members=members, threads=threads)
    tiles.unlink()
    segment([maps], part, how_cut, threads=threads)
    stitch([part], folder / "nuclei.parquet", folder / "seams.json", StitchSettings())
