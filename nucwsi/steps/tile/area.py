"""Which part of a slide is analysed: detected tissue, all of it, a mask, or the drawn regions."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray

from nucwsi.composition.regions import geometries, without_ignored
from nucwsi.config import TISSUE_WORDS, TileSettings
from nucwsi.errors import ConfigError, RegionError
from nucwsi.grid import CELL_PX, Frame, Window
from nucwsi.io.regions.on_slide import regions_of_slide
from nucwsi.io.slides.tissue_mask import MASK_SUFFIXES, read_tissue_mask
from nucwsi.nuclei.within import REGION_MARGIN_UM
from nucwsi.slide.tissue import Piece, grown, pieces

log = logging.getLogger(__name__)

#: Endings of pictures that are no masks.
_OTHER_PICTURES = frozenset({".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".jp2"})


@dataclass(frozen=True)
class Tissue:
    """What the overview shows, in cells of `CELL_PX` canvas pixels.

    Attributes
    ----------
    found : (H, W) ndarray of bool
        The tissue.
    analysed : (H, W) ndarray of bool
        Tissue and margin: where the network is to be asked.
    unreadable : (H, W) ndarray of bool
        Cells that no level of the slide shows whole.
    stained : (H, W) ndarray of bool
        The tissue, also where all of the slide is to be analysed.
    drawn : shapely.Geometry, optional
        What the tissue is limited to, x and y in level-0 pixels; none where its cells say it all.
    only : shapely.Geometry, optional
        The only area whose nuclei are wanted, x and y in level-0 pixels; none where all are.
    whole : (H, W) ndarray of bool, optional
        With `only`, the tissue of the whole slide.
    """

    found: NDArray[np.bool_]
    analysed: NDArray[np.bool_]
    unreadable: NDArray[np.bool_]
    stained: NDArray[np.bool_]
    drawn: shapely.Geometry | None = None
    only: shapely.Geometry | None = None
    whole: NDArray[np.bool_] | None = None

    def without(self, bad: list[Window]) -> Tissue:
        """Leave out the cells of which nothing is known.

        Parameters
        ----------
        bad : list of Window
            What could not be read, in canvas pixels.

        Returns
        -------
        Tissue
            Without the cells that hold a pixel of such a window.
        """
        if not bad:
            return self
        good = np.ones(self.found.shape, bool)
        for window in bad:
            good[window.cells(CELL_PX).slices] = False
        return replace(self, found=self.found & good, analysed=self.analysed & good)

    @property
    def everywhere(self) -> Tissue:
        """The tissue as it was before the regions limited it."""
        return self if self.whole is None else replace(self, found=self.whole, only=None)

    def outlines(self, frame: Frame) -> list[shapely.Polygon]:
        """Outline the pieces of the tissue on the slide.

        Parameters
        ----------
        frame : Frame
            How the canvas lies on the slide.

        Returns
        -------
        list of shapely.Polygon
            In level-0 pixels, x and y, cut at the end of the canvas and of what was drawn; the
            largest first.
        """
        outlines = outlines_of(self.found, frame)
        limits = [limit for limit in (self.drawn, self.only) if limit is not None]
        for limit in limits:
            parts = shapely.get_parts(shapely.intersection(outlines, limit))
            # Where outlines touch, points and lines are left over.
            outlines = [part for part in parts if part.area > 0]
        return sorted(outlines, key=lambda part: -part.area) if limits else outlines


#: Attributes of `Tissue` that are masks.
_MASKS = ("found", "analysed", "unreadable", "stained", "whole")


@dataclass(frozen=True)
class PackedTissue:
    """A `Tissue` whose masks take one bit for each cell, to be kept while tiles are read.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of cells.
    bits : dict of str to (N,) ndarray of uint8
        Each mask of the tissue, eight cells of its raster a byte. Those that were one are one.
    drawn, only : shapely.Geometry, optional
        As those of the tissue.
    """

    shape: tuple[int, ...]
    bits: dict[str, NDArray[np.uint8]]
    drawn: shapely.Geometry | None
    only: shapely.Geometry | None

    @classmethod
    def of(cls, tissue: Tissue) -> Self:
        """Pack a tissue.

        Parameters
        ----------
        tissue : Tissue
            Any.

        Returns
        -------
        PackedTissue
            Of an eighth of its size, or less.
        """
        masks = {name: getattr(tissue, name) for name in _MASKS}
        known = {name: mask for name, mask in masks.items() if mask is not None}
        packed = {id(mask): np.packbits(mask) for mask in known.values()}
        bits = {name: packed[id(mask)] for name, mask in known.items()}
        return cls(tissue.found.shape, bits, tissue.drawn, tissue.only)

    def unpacked(self) -> Tissue:
        """Return the tissue anew.

        Returns
        -------
        Tissue
            Equal to the one that was packed.
        """
        masks = {id(bits): self._mask(bits) for bits in self.bits.values()}
        unpacked = {name: masks[id(bits)] for name, bits in self.bits.items()}
        return Tissue(**unpacked, drawn=self.drawn, only=self.only)

    def _mask(self, bits: NDArray[np.uint8]) -> NDArray[np.bool_]:
        if not bits.any():
            return np.broadcast_to(np.False_, self.shape)
        return np.unpackbits(bits, count=math.prod(self.shape)).view(bool).reshape(self.shape)


def outlines_of(mask: NDArray[np.bool_], frame: Frame) -> list[shapely.Polygon]:
    """Outline the pieces of a tissue mask on the slide.

    Parameters
    ----------
    mask : (H, W) ndarray of bool
        The tissue, in cells of `CELL_PX` canvas pixels.
    frame : Frame
        How the canvas lies on the slide.

    Returns
    -------
    list of shapely.Polygon
        In level-0 pixels, x and y, cut at the end of the canvas; the largest first.
    """
    canvas = shapely.box(0, 0, frame.shape[1], frame.shape[0])

    def _on_slide(piece: Piece) -> shapely.Polygon:
        outline = shapely.transform(piece.outline, lambda xy: xy * CELL_PX).intersection(canvas)
        return shapely.transform(outline, lambda xy: frame.to_level0(xy[:, ::-1])[:, ::-1])

    return [_on_slide(piece) for piece in pieces(mask)]


def area_um2(outlines: list[shapely.Polygon], frame: Frame) -> float:
    """Return the area of the tissue.

    Parameters
    ----------
    outlines : list of shapely.Polygon
        Of `Tissue.outlines`, in level-0 pixels.
    frame : Frame
        How the canvas lies on the slide.

    Returns
    -------
    float
        In µm².
    """
    # Cells at the edge of the canvas reach beyond it; their outlines do not.
    return sum(outline.area for outline in outlines) * frame.level0_pixel_um2


def tissue_of(
    detected: NDArray[np.bool_],
    unreadable: NDArray[np.bool_],
    frame: Frame,
    settings: TileSettings,
    regions: Sequence[Path],
) -> Tissue:
    """Decide which part of a slide is analysed.

    Parameters
    ----------
    detected : (H, W) ndarray of bool
        The tissue that the overview shows, in cells of `CELL_PX` canvas pixels.
    unreadable : (H, W) ndarray of bool
        Cells that no level of the slide shows whole.
    frame : Frame
        How the canvas lies on the slide.
    settings : TileSettings
        Its `tissue` may name a mask; `only_regions` asks for the regions alone.
    regions : sequence of pathlib.Path
        Files of the user's regions.

    Returns
    -------
    Tissue
        Where to look, and what to keep.

    Raises
    ------
    ConfigError
        If the mask does not exist, or regions are asked for and there are none.
    SlideError
        If a mask that is a picture cannot be used.
    RegionError
        If a file of regions cannot be used.
    """
    drawn = None
    if settings.tissue == "all":
        found = np.ones(detected.shape, bool)
    elif settings.tissue == "auto":
        found = detected
    else:
        found, drawn = _masked(Path(settings.tissue), frame)
    margin = 0.0 if settings.tissue == "all" else settings.tissue_margin_um
    stained = detected if settings.tissue == "all" else found
    tissue = Tissue(found, grown(found, _in_cells(margin, frame)), unreadable, stained, drawn)
    return _only_regions(tissue, frame, regions) if settings.only_regions else tissue


def _in_cells(length_um: float, frame: Frame) -> int:
    return math.ceil(length_um / (CELL_PX * frame.mpp))


def _masked(path: Path, frame: Frame) -> tuple[NDArray[np.bool_], shapely.Geometry | None]:
    """Return the cells that a mask marks, and its outlines if it has some."""
    if not path.is_file():
        raise ConfigError(
            f"`tissue` is {str(path)!r}, which is no file; expected {' or '.join(TISSUE_WORDS)}, or"
            " a mask of the tissue: GeoJSON, PNG or TIFF"
        )
    if path.suffix.lower() in MASK_SUFFIXES:
        return read_tissue_mask(path, frame), None
    if path.suffix.lower() in _OTHER_PICTURES:
        raise ConfigError(
            f"{path}: is a picture whose pixels may have changed when it was saved; expected a mask"
            " as PNG or TIFF, or outlines as GeoJSON"
        )
    drawn = _drawn([path], frame)
    return _touched(drawn, frame), drawn


def _drawn(files: Sequence[Path], frame: Frame) -> shapely.Geometry:
    """Return the area of regions, without what is to be ignored, in level-0 pixels."""
    kept = without_ignored(regions_of_slide(files, frame))
    drawn = shapely.union_all(geometries(kept))
    if drawn.area == 0:
        raise RegionError(f"{', '.join(map(str, files))}: nothing is left of its regions")
    return drawn


def _touched(drawn: shapely.Geometry, frame: Frame) -> NDArray[np.bool_]:
    """Return the cells that share a point with a shape in level-0 pixels."""
    shape = tuple(-(-side // CELL_PX) for side in frame.shape)
    on_canvas = shapely.transform(
        drawn, lambda xy: frame.from_level0(xy[:, ::-1])[:, ::-1] / CELL_PX
    )
    return rasterio.features.rasterize([on_canvas], shape, all_touched=True, dtype="uint8") > 0


def _only_regions(tissue: Tissue, frame: Frame, files: Sequence[Path]) -> Tissue:
    if not files:
        raise ConfigError(
            "`only_regions` is set, and the slide has no regions; name their file in the column"
            " `regions` of the slide sheet, or put it beside the slide"
        )
    only = _drawn(files, frame)
    inside = _touched(only, frame)
    near = grown(inside, _in_cells(REGION_MARGIN_UM, frame))
    return replace(
        tissue,
        found=tissue.found & inside,
        analysed=tissue.analysed & near,
        unreadable=tissue.unreadable & near,
        stained=tissue.stained & inside,
        only=only,
        whole=tissue.found,
    )
