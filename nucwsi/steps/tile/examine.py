"""A slide as its overview shows it: whether it can be analysed, its tissue, and what is odd."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi import RESULT_VERSION
from nucwsi.config import TISSUE_WORDS, TileSettings
from nucwsi.errors import SlideError
from nucwsi.facts import SlideFacts
from nucwsi.grid import CELL_PX, Frame, Window
from nucwsi.io.regions.on_slide import region_doubts, regions_of_slide
from nucwsi.io.slides.canvas import SlideCanvas, canvas_frame, claim_doubts, level0_claim
from nucwsi.io.slides.slide import open_slide
from nucwsi.io.stores.publish import file_checksum
from nucwsi.slide.glass import glass_colour
from nucwsi.slide.holes import holes_in_tissue
from nucwsi.slide.oddities import oddities
from nucwsi.slide.tissue import find_tissue, looks_fluorescent, looks_miscoloured
from nucwsi.steps.tile.area import PackedTissue, Tissue, area_um2, tissue_of

log = logging.getLogger(__name__)

#: The log names at most so many tiles without data.
_MAX_NAMED = 20


#: Said where the mask is empty, and with it all results.
EMPTY = (
    "no tissue is found, so nothing is analysed; if there is some, lower `tile.min_tissue_um2`"
    " (--min-tissue-um2), or analyse every pixel with `tile.tissue: all` (--tissue all)"
)


def refuse_unreadable(path: Path, share: float, limit: float) -> None:
    """Refuse a slide of which too much cannot be read.

    Parameters
    ----------
    path : pathlib.Path
        The slide, for the message.
    share : float
        Share of its area that cannot be read, from 0 to 1.
    limit : float
        The setting ``max_bad_tiles``.

    Raises
    ------
    SlideError
        If `share` is above `limit`.
    """
    if share > limit:
        raise SlideError(
            f"{path}: {share:.1%} of it cannot be read, more than max_bad_tiles = {limit:.1%}; copy"
            " the slide anew, or raise that setting"
        )


def _find(
    source: SlideCanvas, settings: TileSettings, regions: Sequence[Path], threads: int
) -> tuple[PackedTissue, tuple[str, ...]]:
    """Find the tissue; also return what is odd about the slide, and log it."""
    path, frame = source.slide.path, source.frame
    overview, unreadable = source.overview(CELL_PX, threads)
    refuse_unreadable(path, float(unreadable.mean()), settings.max_bad_tiles)
    if looks_fluorescent(overview):
        raise SlideError(
            f"{path}: has a dark background, as in fluorescence, or is black; nucwsi analyses"
            " brightfield H&E only"
        )
    if looks_miscoloured(overview):
        raise SlideError(
            f"{path}: its colours are false (RGB and YCbCr mistaken for each other: the header"
            " contradicts the stream); convert it anew with the right photometric interpretation"
        )
    cell_um = CELL_PX * frame.mpp
    glass = glass_colour(overview)
    found = find_tissue(overview, math.ceil(settings.min_tissue_um2 / cell_um**2), glass)
    odd = oddities(overview, found, cell_um, glass)
    del overview
    tissue = tissue_of(found, unreadable, frame, settings, regions)
    if settings.tissue != "auto":
        odd = [oddity for oddity in odd if oddity.kind != "pale"]
    for oddity in odd:
        log.warning("%s: %s", path, oddity.text)
    said = _left_out(tissue, frame, regions)
    if settings.tissue not in TISSUE_WORDS and tissue.everywhere.found.all() and not found.all():
        said += (f"{settings.tissue} marks all of the slide as tissue, glass too, as `all` does",)
    for line in said:
        log.warning("%s: %s", path, line)
    return PackedTissue.of(tissue), (*(oddity.text for oddity in odd), *said)


def _left_out(tissue: Tissue, frame: Frame, regions: Sequence[Path]) -> tuple[str, ...]:
    """Say how much tissue is not analysed because only regions are wanted, and what they lack."""
    if tissue.only is None:
        return ()
    inside, every = (
        area_um2(one.outlines(frame), frame) / 1e6 for one in (tissue, tissue.everywhere)
    )
    return (
        f"only the drawn regions are analysed, {inside:.3g} mm² of tissue; {every - inside:.3g} mm²"
        " outside of them are not, so that the numbers of the slide are those of the regions",
        *region_doubts(regions_of_slide(regions, frame), regions, frame),
    )


def _lost(source: SlideCanvas, tissue: NDArray[np.bool_]) -> list[Window]:
    """Return the tiles without data that lie in tissue, as windows of the canvas; log each."""
    holes, frame = source.slide.missing, source.frame
    start, stop = (np.asarray(at, float) for at in (holes[:, :2], holes[:, :2] + holes[:, 2:]))
    corners = frame.from_level0(start), frame.from_level0(stop)
    first = np.floor(corners[0]).clip(0).astype(np.int64)
    last = np.minimum(np.ceil(corners[1]), frame.shape).astype(np.int64)
    cells = first // CELL_PX, -(-last // CELL_PX)
    lost = holes_in_tissue(tissue, np.hstack([cells[0], cells[1] - cells[0]]))
    lost &= (last > first).all(axis=1)
    n_lost = int(lost.sum())
    if n_lost > _MAX_NAMED:
        log.warning("%d tiles without data lie in tissue; the first are these", n_lost)
    for row, column, height, width in holes[lost][:_MAX_NAMED].tolist():
        log.warning(
            "%s: the file has no data for the tile at row %d, column %d (%d x %d level-0 px),"
            " which lies in tissue",
            source.slide.path,
            row,
            column,
            height,
            width,
        )
    windows = [
        Window(top, left, low - top, right - left)
        for (top, left), (low, right) in zip(first[lost].tolist(), last[lost].tolist(), strict=True)
    ]
    kept = tissue.copy()
    for window in windows:
        kept[window.cells(CELL_PX).slices] = False
    if sum(window.height * window.width for window in windows) > kept.sum() * CELL_PX**2:
        raise SlideError(
            f"{source.slide.path}: the file has no data for more than half of its tissue; convert"
            " or copy the slide anew"
        )
    return windows


@dataclass(frozen=True)
class Examined:
    """A slide that can be analysed, as its overview shows it.

    Attributes
    ----------
    source : SlideCanvas
        The open slide at the working mpp.
    facts : SlideFacts
        What is known of it before its tiles are read; `warnings` says what is odd.
    packed : PackedTissue
        Where the tissue is.
    lost : list of Window
        Tiles in tissue for which the file has no data, as windows of the canvas.
    """

    source: SlideCanvas
    facts: SlideFacts
    packed: PackedTissue
    lost: list[Window]

    @property
    def tissue(self) -> Tissue:
        """Where the tissue is, made anew for each who asks: large masks are not to stay."""
        return self.packed.unpacked()

    @property
    def tissue_mm2(self) -> float:
        """Area of the tissue, in mm²."""
        return area_um2(self.tissue.outlines(self.facts.frame), self.facts.frame) / 1e6


@contextmanager
def examined(
    slide: Path,
    settings: TileSettings,
    *,
    name: str,
    mpp: float,
    halo_px: int,
    slide_mpp: float | None = None,
    scene: str | None = None,
    regions: Sequence[Path] = (),
    threads: int = 1,
) -> Iterator[Examined]:
    """Open a slide and find its tissue.

    Parameters
    ----------
    slide : pathlib.Path
        The slide's file, or the first of several.
    settings : TileSettings
        How tissue is found.
    name : str
        The slide's name in all results.
    mpp : float
        µm per pixel of the canvas: that of an ensemble.
    halo_px : int
        Canvas pixels that the ensemble sees beyond a core.
    slide_mpp : float, optional
        The user's value for level 0, in µm per pixel.
    scene : str, optional
        Which of several scenes of the file: its number, from 1, or its name.
    regions : sequence of pathlib.Path
        Files of the user's regions; read only if nothing else is to be analysed.
    threads : int
        Pieces of the overview that are read at once.

    Yields
    ------
    Examined
        The slide is open until the block ends.

    Raises
    ------
    SlideError
        If the slide cannot be read or must not be analysed.
    """
    with open_slide(slide, scene) as opened:
        claim = level0_claim(opened, override=slide_mpp, trust_power=settings.objective_power)
        if claim.rows > 2 * mpp:
            raise SlideError(
                f"{slide}: {claim.rows:g} µm per pixel is too coarse for a model of {mpp:g} µm per"
                " pixel; scan at 20x or more"
            )
        source = SlideCanvas(opened, canvas_frame(opened, claim, mpp))
        packed, odd = _find(source, settings, regions, threads)
        facts = SlideFacts(
            kind="tiles",
            slide=name,
            slide_checksum=file_checksum(slide),
            vendor=opened.vendor,
            mpp_source=claim.source,
            scene=opened.scene,
            warnings=(*claim_doubts(opened, claim), *odd),
            frame=source.frame,
            core_px=settings.core_px,
            halo_px=halo_px,
            tissue_px=CELL_PX,
            tile=settings.model_dump(),
            only_within="" if packed.only is None else shapely.to_wkb(packed.only, hex=True),
            result_version=RESULT_VERSION,
        )
        yield Examined(source, facts, packed, _lost(source, packed.unpacked().stained))
