"""`tile`: the slide's tissue at the model's mpp, on one canvas.

`examine` opens the slide and finds its tissue, as `nucwsi.steps.check` does too; what is here reads
and writes the tiles.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nucwsi.config import TISSUE_WORDS, TileSettings
from nucwsi.facts import SlideFacts
from nucwsi.grid import CELL_PX, TileGrid, Window
from nucwsi.io.outputs import check_outputs
from nucwsi.io.regions.geojson import write_tissue
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.stores.publish import Workspace, file_checksum, workspace
from nucwsi.io.stores.tiles_writer import TilesWriter
from nucwsi.models.card import canvas_card, largest_halo_px, read_cards
from nucwsi.runtime.ahead import ahead
from nucwsi.runtime.allocator import return_freed_memory
from nucwsi.runtime.progress import progress
from nucwsi.slide.tissue import grown
from nucwsi.steps.tile.area import Tissue, area_um2
from nucwsi.steps.tile.examine import EMPTY, examined, refuse_unreadable

log = logging.getLogger(__name__)


def _needed(grid: TileGrid, tissue: Tissue, halo_px: int) -> list[tuple[int, int]]:
    """List the cores that a network sees: those within its halo of what is analysed."""
    seen = grown(tissue.analysed | tissue.unreadable, -(-halo_px // CELL_PX))
    return [at for at in grid.positions() if seen[grid.core(*at).cells(CELL_PX).slices].any()]


def _bad_windows(place: Workspace) -> list[Window]:
    """Return the windows of the canvas that are noted as unreadable so far."""
    keys = sorted(key for key in place.done if key.startswith("bad "))
    return [Window(*(int(number) for number in key.split()[1:])) for key in keys]


def _fill(
    source: SlideCanvas,
    writer: TilesWriter,
    positions: list[tuple[int, int]],
    grid: TileGrid,
    place: Workspace,
    threads: int,
) -> None:
    """Read and write the cores that are still to be done; note what cannot be read."""
    still_open = [position for position in positions if not writer.is_done(position)]
    if len(still_open) < len(positions):
        n_done = len(positions) - len(still_open)
        log.info("resuming: %d of %d tiles are done", n_done, len(positions))

    def bring(position: tuple[int, int]) -> tuple[bytes | None, list[Window]]:
        rgb, bad = source.read(grid.core(*position))
        return writer.encode(np.ascontiguousarray(rgb.transpose(2, 0, 1))), bad

    with ThreadPoolExecutor(threads) as pool, progress("tile", len(still_open), "tiles") as advance:
        for position, (encoded, bad) in ahead(bring, still_open, pool, 2 * threads):
            for window in bad:
                place.mark(f"bad {window.row} {window.column} {window.height} {window.width}")
            writer.write(position, encoded)
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
    scene: str | None = None,
    regions: Sequence[Path] = (),
    threads: int = 1,
) -> None:
    """Bring a slide's tissue to the working mpp; a killed run goes on at its last finished tile.

    Parameters
    ----------
    slide : pathlib.Path
        The slide's file, or the first of several.
    output : pathlib.Path
        ``tiles.zarr.zip``.
    tissue_output : pathlib.Path
        ``tissue.geojson``: the outlines of the pieces of tissue, without the margin around them.
    settings : TileSettings
        How tissue is found, and how large a tile's core is.
    name : str
        The slide's name in all results.
    members : tuple of str
        Checkpoints of the ensemble that `predict` will apply: the canvas has their finest mpp, and
        the cores that lie within their largest halo of tissue are read.
    slide_mpp : float, optional
        The user's value for level 0, in µm per pixel.
    scene : str, optional
        Which of several scenes of the file: its number, from 1, or its name.
    regions : sequence of pathlib.Path
        Files of the user's regions; read only if nothing else is to be analysed.
    threads : int
        Tiles that are read at once.

    Raises
    ------
    CheckpointError
        If a member cannot be read, or two members differ in classes or too much in mpp.
    SlideError
        If the slide cannot be read or must not be analysed.
    StoreError
        If an output cannot be written.
    """
    cards = read_cards(members)
    mask = [] if settings.tissue in TISSUE_WORDS else [Path(settings.tissue)]
    read = [slide, *mask, *regions, *(card.path for card in cards)]
    check_outputs([output, tissue_output], read)
    looking = examined(
        slide,
        settings,
        name=name,
        mpp=canvas_card(cards).mpp,
        halo_px=largest_halo_px(cards),
        slide_mpp=slide_mpp,
        scene=scene,
        regions=regions,
        threads=threads,
    )
    # A slide that must not be analysed leaves nothing behind.
    with looking as found:
        source, facts = found.source, found.facts
        # A mask of another content is another analysis. What earlier versions have left in a work
        # folder has another form.
        decisive = {"facts": facts.to_json(), "masks": [file_checksum(path) for path in mask]}
        with workspace(output, decisive) as place, TilesWriter(place, facts) as writer:
            grid = TileGrid(source.frame.shape, settings.core_px)
            needed = _needed(grid, found.tissue, facts.halo_px)
            _fill(source, writer, needed, grid, place, threads)
            bad = _bad_windows(place)
            bad_px = sum(window.height * window.width for window in bad)
            read_px = sum(grid.core(*at).height * grid.core(*at).width for at in needed)
            share = bad_px / max(1, read_px)
            # The decoded tiles that it keeps are needed no more.
            source.slide.close()
            return_freed_memory()
            if share <= settings.max_bad_tiles:
                without = [*bad, *found.lost]
                _publish(
                    writer, found.tissue.without(without), without, facts, output, tissue_output
                )
        refuse_unreadable(slide, share, settings.max_bad_tiles)


def _publish(
    writer: TilesWriter,
    tissue: Tissue,
    bad: list[Window],
    facts: SlideFacts,
    output: Path,
    tissue_output: Path,
) -> None:
    frame = facts.frame
    outlines = tissue.outlines(frame)
    tissue_um2 = area_um2(outlines, frame)
    empty = () if outlines else (EMPTY,)
    for line in empty:
        log.warning("%s: %s", facts.slide, line)
    facts = facts.with_(
        warnings=facts.warnings + empty,
        status="degraded" if bad else "ok",
        bad_tiles=tuple((window.row, window.column, *window.shape) for window in bad),
        tissue_um2=tissue_um2,
    )
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
    # The tiles last: to publish them takes them out of the work folder.
    write_tissue(tissue_output, outlines, facts)
    writer.publish(output, facts, tissue.analysed)
