"""A mask that says where the tissue is: a picture of the slide's proportions, at any scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from nucwsi.errors import SlideError, pass_on_lack_of_memory
from nucwsi.grid import CELL_PX, Frame
from nucwsi.io.slides.picture import opened_picture
from nucwsi.io.slides.slide_reader import FinalSlideError
from nucwsi.io.slides.tiff_page import LARGEST_UNTILED_PX
from nucwsi.io.slides.tiff_whole import read_whole

#: Suffixes of masks that are pictures.
MASK_SUFFIXES = frozenset({".png", ".tif", ".tiff"})

#: Sides of a mask are rounded, each by at most this many of its pixels.
_ROUNDING_PX = 1.5

#: Red, green, blue and transparency.
_MOST_SAMPLES = 4


def read_tissue_mask(path: Path, frame: Frame) -> NDArray[np.bool_]:
    """Read where the tissue is.

    Parameters
    ----------
    path : pathlib.Path
        A PNG or TIFF, of any depth, in whose pixels zero stands for no tissue: black, the first
        colour of a palette, or transparent. It shows the slide's bounds, as QuPath does, or all of
        level 0.
    frame : Frame
        How the canvas lies on the slide.

    Returns
    -------
    (H, W) ndarray of bool
        For each cell of `CELL_PX` canvas pixels, whether its middle lies on tissue.

    Raises
    ------
    SlideError
        If the file is missing, damaged, not one picture, or of other proportions.
    """
    cells = tuple(-(-side // CELL_PX) for side in frame.shape)
    mask = _png(path, frame) if path.suffix.lower() == ".png" else _tiff(path, cells[0], frame)
    origin, size = _shown(path, mask.shape, frame)
    places = []
    for axis, n_cells in enumerate(cells):
        # Middles that lie beyond the canvas belong to cells that are cut.
        middle = np.minimum((np.arange(n_cells) + 0.5) * CELL_PX, frame.shape[axis] - 0.5)
        on_level0 = frame.origin_px[axis] + middle * frame.scale[axis] - origin[axis]
        place = np.floor(on_level0 / size[axis] * mask.shape[axis]).astype(np.int64)
        places.append(place.clip(0, mask.shape[axis] - 1))
    return mask[np.ix_(*places)]


def _shown(
    path: Path, shape: tuple[int, ...], frame: Frame
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return origin and size, in level-0 pixels, of what a mask shows.

    Asked before a mask is decoded, it bounds what the file states by the shape of the slide.
    """
    rows, columns = (side * scale for side, scale in zip(frame.shape, frame.scale, strict=True))
    bounds = (rows, columns)
    whole = (float(frame.level0_shape[0]), float(frame.level0_shape[1]))
    for origin, size in ((frame.origin_px, bounds), ((0.0, 0.0), whole)):
        height, width = shape[0], shape[1]
        if (
            abs(height - width * size[0] / size[1]) <= _ROUNDING_PX
            or abs(width - height * size[1] / size[0]) <= _ROUNDING_PX
        ):
            return origin, size
    raise FinalSlideError(
        f"{path}: a mask of {shape[0]} x {shape[1]} px does not have the proportions of the slide,"
        f" {bounds[0]:.0f} x {bounds[1]:.0f} px; make it of the whole slide, at any scale"
    )


def _png(path: Path, frame: Frame) -> NDArray[np.bool_]:
    _refuse_missing(path)
    with opened_picture(path, "PNG") as image:
        _shown(path, image.size[::-1], frame)
        values = np.asarray(image)
        has_alpha = image.mode in ("LA", "PA", "RGBA")
    return _marked(values, has_alpha)


def _tiff(path: Path, least_rows: int, frame: Frame) -> NDArray[np.bool_]:
    _refuse_missing(path)
    try:
        with tifffile.TiffFile(path) as file:
            series, *others = file.series
            if any(other.shape == series.shape for other in others):
                raise SlideError(
                    f"{path}: holds {len(file.series)} pictures; expected one picture as mask"
                )
            fine = [level for level in series.levels if level.keyframe.imagelength >= least_rows]
            level = fine[-1] if fine else series.levels[0]
            page = level.keyframe
            planar = page.planarconfig == 2 and len(level.shape) == 3
            _refuse_stack(path, level.shape, 0 if planar else -1)
            _refuse_large(path, page.imagelength, page.imagewidth)
            _shown(path, (page.imagelength, page.imagewidth), frame)
            values = read_whole(level, path)
            if planar:
                values = np.moveaxis(values, 0, -1)
            has_alpha = bool(set(page.extrasamples) & {1, 2})
    except SlideError:
        raise
    except Exception as error:  # noqa: BLE001 (tifffile does not document what it raises)
        pass_on_lack_of_memory(error)
        raise SlideError(
            f"{path}: is a mask that cannot be read ({error}); save it again as PNG or TIFF"
        ) from None
    return _marked(values, has_alpha)


def _marked(values: NDArray[Any], has_alpha: bool) -> NDArray[np.bool_]:
    """Return which pixels, (H, W) or (H, W, S), are neither zero nor transparent.

    Where a mask has no data, GeoTIFF says NaN.
    """
    if np.issubdtype(values.dtype, np.floating):
        values = np.nan_to_num(values)
    if values.ndim == 2:
        return values != 0
    if has_alpha:
        return (values[..., :-1] != 0).any(axis=-1) & (values[..., -1] != 0)
    return (values != 0).any(axis=-1)


def _refuse_missing(path: Path) -> None:
    if not path.is_file():
        raise SlideError(f"{path}: does not exist; expected a mask of the tissue")


def _refuse_stack(path: Path, shape: tuple[int, ...], samples: int) -> None:
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[samples] > _MOST_SAMPLES):
        raise SlideError(
            f"{path}: holds an array of the shape {shape}; expected one picture as mask"
        )


def _refuse_large(path: Path, height: int, width: int) -> None:
    if height * width > LARGEST_UNTILED_PX:
        raise SlideError(
            f"{path}: a mask of {height} x {width} px is too large to be read whole; save it"
            " smaller: a pixel of 5 µm is fine enough"
        )
