"""`tile`: the slide's tissue at the model's mpp, on one canvas."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi import RESULT_VERSION
from nucwsi.config import TileSettings
from nucwsi.errors import SlideError
from nucwsi.facts import SlideFacts
from nucwsi.grid import CELL_PX, Frame, TileGrid, Window
from nucwsi.io.regions.geojson import write_tissue
from nucwsi.io.slides.canvas import SlideCanvas, canvas_frame, level0_claim
from nucwsi.io.slides.slide import open_slide
from nucwsi.io.stores.publish import (
    Workspace,
    create_array,
    create_group,
    file_checksum,
    pack,
    workspace,
    write_chunk,
)
from nucwsi.models.card import largest_halo_px, read_cards
from nucwsi.runtime.ahead import ahead
from nucwsi.runtime.progress import progress
from nucwsi.slide.resample import reduced
from nucwsi.slide.tissue import (
    Piece,
    find_tissue,
    grown,
    looks_fluorescent,
    looks_miscoloured,
    pieces,
)

if TYPE_CHECKING:
    import zarr

log = logging.getLogger(__name__)

#: Reduction of the pyramid's levels; each core owns whole chunks of all of them.
_LEVELS = (1, 4, 16)


@dataclass(frozen=True)
class _Tissue:
    """What the overview shows, in cells of `CELL_PX` canvas pixels.

    Attributes
    ----------
    found : (H, W) ndarray of bool
        The tissue.
    analysed : (H, W) ndarray of bool
        Tissue and margin: where the network is to be asked.
    unreadable : (H, W) ndarray of bool
    """

    found: NDArray[np.bool_]
    analysed: NDArray[np.bool_]
    unreadable: NDArray[np.bool_]

    def without(self, bad: list[Window]) -> _Tissue:
        """Leave out the cells that lie in bad windows of the canvas: nothing is known of them."""
        good = np.ones(self.found.shape, bool)
        for piece in bad:
            rows = slice(piece.row // CELL_PX, -(-piece.row_stop // CELL_PX))
            good[rows, piece.column // CELL_PX : -(-piece.column_stop // CELL_PX)] = False
        return _Tissue(self.found & good, self.analysed & good, self.unreadable)


def _refuse_unreadable(path: Path, share: float, limit: float) -> None:
    if share > limit:
        raise SlideError(
            f"{path}: {share:.1%} of it cannot be read, more than max_bad_tiles = {limit:.1%}; copy"
            " the slide anew, or raise that setting"
        )


def _find(source: SlideCanvas, settings: TileSettings, threads: int) -> _Tissue:
    path, frame = source.slide.path, source.frame
    overview, unreadable = source.overview(CELL_PX, threads)
    _refuse_unreadable(path, float(unreadable.mean()), settings.max_bad_tiles)
    if looks_fluorescent(overview):
        raise SlideError(f"{path}: has a dark background; nucwsi analyses brightfield H&E only")
    if looks_miscoloured(overview):
        raise SlideError(
            f"{path}: its colours are false (RGB and YCbCr mistaken for each other: the header"
            " contradicts the stream); convert it anew with the right photometric interpretation"
        )
    if settings.tissue == "all":
        everything = np.ones(overview.shape[:2], bool)
        return _Tissue(everything, everything, unreadable)
    cell_um = CELL_PX * frame.mpp
    found = find_tissue(overview, math.ceil(settings.min_tissue_um2 / cell_um**2))
    margin = grown(found, math.ceil(settings.tissue_margin_um / cell_um))
    return _Tissue(found, margin, unreadable)


def _outlines(mask: NDArray[np.bool_], frame: Frame) -> list[shapely.Polygon]:
    """Bring the outlines of the pieces to level-0 pixels, cut at the end of the canvas."""
    canvas = shapely.box(0, 0, frame.shape[1], frame.shape[0])

    def on_slide(piece: Piece) -> shapely.Polygon:
        outline = shapely.transform(piece.outline, lambda xy: xy * CELL_PX).intersection(canvas)
        return shapely.transform(outline, lambda xy: frame.to_level0(xy[:, ::-1])[:, ::-1])

    return [on_slide(piece) for piece in pieces(mask)]


class _Canvas:
    """The arrays of the store that is being made."""

    def __init__(self, folder: Path, grid: TileGrid, facts: SlideFacts) -> None:
        self.folder, self.grid = folder, grid
        self.group = create_group(folder, {**_ome(facts), "nucwsi": facts.to_json()})
        self.levels = [self._array(str(n), factor) for n, factor in enumerate(_LEVELS)]

    def _array(self, name: str, factor: int) -> zarr.Array[Any]:
        height, width = (-(-side // factor) for side in self.grid.shape)
        chunk = self.grid.core_px // factor
        return create_array(self.group, name, (3, height, width), (3, chunk, chunk), "u1", 255)

    def write(self, core: Window, rgb: NDArray[np.uint8]) -> None:
        """Write a core (3, H, W) into every level."""
        for array, factor in zip(self.levels, _LEVELS, strict=True):
            small = reduced(rgb, factor) if factor > 1 else rgb
            write_chunk(
                array, core.row // self.grid.core_px, core.column // self.grid.core_px, small
            )


def _ome(facts: SlideFacts) -> dict[str, Any]:
    mpp = facts.frame.mpp
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    datasets = [
        {
            "path": str(n),
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, factor * mpp, factor * mpp]}
            ],
        }
        for n, factor in enumerate(_LEVELS)
    ]
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    channels = [
        {"label": label, "color": colour, "active": True, "window": window}
        for label, colour in (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))
    ]
    scales = {"version": "0.4", "name": facts.slide, "axes": axes, "datasets": datasets}
    return {"multiscales": [scales], "omero": {"channels": channels, "rdefs": {"model": "color"}}}


def _cores(grid: TileGrid, seen: NDArray[np.bool_]) -> Iterator[tuple[str, Window]]:
    """List the cores that some window around tissue sees."""
    for row, column in grid.positions():
        core = grid.core(row, column)
        rows = slice(core.row // CELL_PX, -(-core.row_stop // CELL_PX))
        columns = slice(core.column // CELL_PX, -(-core.column_stop // CELL_PX))
        if seen[rows, columns].any():
            yield f"{row},{column}", core


def _spoilt(place: Workspace) -> list[Window]:
    """Return the bad parts of the canvas that were noted so far."""
    keys = sorted(key for key in place.done if key.startswith("bad "))
    return [Window(*(int(number) for number in key.split()[1:])) for key in keys]


def _fill(
    source: SlideCanvas,
    canvas: _Canvas,
    cores: list[tuple[str, Window]],
    place: Workspace,
    threads: int,
) -> None:
    jobs = [(key, core) for key, core in cores if key not in place.done]
    if len(jobs) < len(cores):
        log.info("resuming: %d of %d tiles are done", len(cores) - len(jobs), len(cores))

    def bring(job: tuple[str, Window]) -> list[Window]:
        pixels, bad = source.read(job[1])
        canvas.write(job[1], np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return bad

    with ThreadPoolExecutor(threads) as pool, progress("tile", len(jobs), "tiles") as advance:
        for (key, _), bad in ahead(bring, jobs, pool, 2 * threads):
            for piece in bad:
                place.mark(f"bad {piece.row} {piece.column} {piece.height} {piece.width}")
            place.mark(key)
            advance(1)


def tile(
    slide: Path,
    output: Path,
    tissue_output: Path,
    settings: TileSettings,
    *,
    name: str,
    members: tuple[str, ...],
    slide_mpp: float | None = None,
    threads: int = 1,
) -> None:
    """Bring a slide's tissue to the working mpp; a killed run goes on at its last finished tile.

    Parameters
    ----------
    slide : pathlib.Path
    output : pathlib.Path
        ``tiles.zarr.zip``.
    tissue_output : pathlib.Path
        ``tissue.geojson``: the outlines of the pieces of tissue, without the margin around them.
    settings : TileSettings
    name : str
        The slide's name in all results.
    members : tuple of str
        Checkpoints of the ensemble that `predict` will apply: the canvas has their mpp, and the
        cores that lie within their largest halo of tissue are read.
    slide_mpp : float, optional
        The user's word on level 0, in µm per pixel.
    threads : int
        Tiles that are read at once.

    Raises
    ------
    CheckpointError
        If a member cannot be read, or two members differ in mpp or classes.
    SlideError
        If the slide cannot be read or must not be analysed.
    StoreError
        If an output cannot be written.
    """
    cards = read_cards(members)
    mpp, halo_px = cards[0].mpp, largest_halo_px(cards)
    with open_slide(slide) as opened:
        claim = level0_claim(opened, override=slide_mpp, trust_power=settings.objective_power)
        if claim.rows > 2 * mpp:
            raise SlideError(
                f"{slide}: {claim.rows:g} µm per pixel is too coarse for a model of {mpp:g} µm per"
                " pixel; scan at 20x or more"
            )
        source = SlideCanvas(opened, canvas_frame(opened, claim, mpp))
        facts = SlideFacts(
            kind="tiles",
            slide=name,
            slide_checksum=file_checksum(slide),
            vendor=opened.vendor,
            mpp_source=claim.source,
            frame=source.frame,
            core_px=settings.core_px,
            halo_px=halo_px,
            tissue_px=CELL_PX,
            tile=settings.model_dump(),
            result_version=RESULT_VERSION,
        )
        # A slide that must not be analysed leaves nothing behind.
        tissue = _find(source, settings, threads)
        with workspace(output, facts.to_json()) as place:
            grid = TileGrid(source.frame.shape, settings.core_px)
            canvas = _Canvas(place.folder / "tiles", grid, facts)
            seen = grown(tissue.analysed | tissue.unreadable, -(-halo_px // CELL_PX))
            cores = list(_cores(grid, seen))
            _fill(source, canvas, cores, place, threads)
            bad = _spoilt(place)
            spoilt = sum(piece.height * piece.width for piece in bad)
            read = sum(core.height * core.width for _, core in cores)
            share = spoilt / max(1, read)
            if share <= settings.max_bad_tiles:
                _publish(canvas, tissue.without(bad), bad, facts, output, tissue_output)
        _refuse_unreadable(slide, share, settings.max_bad_tiles)


def _publish(
    canvas: _Canvas,
    tissue: _Tissue,
    bad: list[Window],
    facts: SlideFacts,
    output: Path,
    tissue_output: Path,
) -> None:
    mask, frame = tissue.analysed, facts.frame
    create_array(canvas.group, "tissue", mask.shape, mask.shape, "u1", 0)[:] = mask
    outlines = _outlines(tissue.found, frame)
    # Cells at the edge of the canvas reach beyond it; their outlines do not.
    tissue_um2 = sum(outline.area for outline in outlines) * frame.level0_pixel_um2
    facts = facts.with_(
        status="degraded" if bad else "ok",
        bad_tiles=tuple((piece.row, piece.column, *piece.shape) for piece in bad),
        tissue_um2=tissue_um2,
    )
    canvas.group.attrs["nucwsi"] = facts.to_json()
    if bad:
        log.warning("%d tiles of the slide cannot be read; the rest is analysed", len(bad))
    log.info(
        "%g µm/px (%s), %d x %d px, %.2f mm² of tissue in %d pieces",
        frame.level0_mpp[0],
        facts.mpp_source,
        *frame.shape,
        tissue_um2 / 1e6,
        len(outlines),
    )
    pack(canvas.folder, output)
    write_tissue(tissue_output, outlines, facts)
