"""Density maps packed for a web page: one byte for each cell, compressed, as base64 text."""

from __future__ import annotations

import base64
import math
import zlib
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeInt, model_validator


class PackedDensity(BaseModel):
    """The density maps of a slide, as `assessment.json` and the viewer's ``density.js`` hold them.

    Attributes
    ----------
    cell_um : float
        Side of a cell in µm.
    shape : (int, int, int)
        Classes, rows and columns of the maps.
    top : float
        The highest density of all maps, in nuclei per mm².
    data : str
        One byte for each cell, class by class in raster order: 0 where there is no tissue, else
        ``1 + 254 * sqrt(density / top)``; compressed (zlib), base64.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell_um: float
    shape: tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt]
    top: float
    data: str

    def stored(self) -> bytes:
        """Return the bytes that `data` packs, one for each cell.

        Raises
        ------
        ValueError
            If `data` is damaged, or packs more or fewer bytes than there are cells.
        """
        n_cells = math.prod(self.shape)
        try:
            unpacking = zlib.decompressobj()
            cells = unpacking.decompress(base64.b64decode(self.data, validate=True), n_cells + 1)
        except (ValueError, zlib.error) as error:
            raise ValueError(f"`data` is damaged ({error})") from None
        if len(cells) != n_cells or not unpacking.eof:
            raise ValueError(f"`data` does not pack the {n_cells} cells of `shape` {self.shape}")
        return cells

    @model_validator(mode="after")
    def _undamaged(self) -> Self:
        self.stored()
        return self


def pack_density(maps: NDArray[np.floating], cell_um: float) -> PackedDensity:
    """Pack density maps.

    Parameters
    ----------
    maps : (C, H, W) ndarray of float
        Nuclei per mm² in each cell, for each class; NaN where there is no tissue.
    cell_um : float
        Side of a cell in µm.

    Returns
    -------
    PackedDensity
        Densities in 255 steps, which are finest where the density is low.
    """
    known = np.isfinite(maps)
    top = float(maps[known].max(initial=1.0))
    level = np.sqrt(np.where(known, maps, 0).clip(0) / top)
    stored = np.where(known, 1 + np.rint(254 * level), 0).astype(np.uint8)
    data = base64.b64encode(zlib.compress(stored.tobytes(), 9)).decode()
    n_classes, height, width = maps.shape
    return PackedDensity(cell_um=cell_um, shape=(n_classes, height, width), top=top, data=data)


def unpack_density(packed: PackedDensity) -> NDArray[np.float32]:
    """Restore density maps from `pack_density`.

    Parameters
    ----------
    packed : PackedDensity
        The maps of one slide.

    Returns
    -------
    (C, H, W) ndarray of float32
        Nuclei per mm² in each cell, to within 1 % of ``top``; NaN where there is no tissue.
    """
    stored = np.frombuffer(packed.stored(), np.uint8).reshape(packed.shape).astype(np.float32)
    density = np.float32(packed.top) * ((stored - 1) / 254) ** 2
    return np.where(stored > 0, density, np.float32(np.nan))
