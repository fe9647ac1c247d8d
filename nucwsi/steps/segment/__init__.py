"""`segment`: the nuclei that one part of a canvas owns.

The maps of local networks are joined first and cut into nuclei core by core (`local`); those of
networks that are not local tile by tile, and then merged (`overlap`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nucwsi import RESULT_VERSION
from nucwsi.config import SegmentSettings
from nucwsi.facts import SlideFacts
from nucwsi.io.nuclei.parquet import AT_ONCE, write_nuclei
from nucwsi.io.outputs import check_outputs
from nucwsi.io.stores.maps import SlideMaps, open_maps
from nucwsi.nuclei.constants import PixelConstants, in_pixels
from nucwsi.nuclei.table import NucleusTable
from nucwsi.runtime.ahead import ahead
from nucwsi.runtime.progress import progress
from nucwsi.steps.segment.local import LocalSegmenter

if TYPE_CHECKING:
    from nucwsi.steps.segment.overlap import OverlapSegmenter

log = logging.getLogger(__name__)


def _constants(facts: SlideFacts, settings: SegmentSettings) -> PixelConstants:
    """Return the constants of the checkpoint, where the settings do not replace them, in pixels."""
    fixed, classes = facts.constants, facts.classes
    if settings.np_threshold is not None:
        fixed = replace(fixed, np_threshold=settings.np_threshold)
    if settings.min_area_um2 is not None:
        fixed = replace(fixed, min_area_um2=dict.fromkeys(classes, settings.min_area_um2))
    if settings.min_mean_np is not None:
        fixed = replace(fixed, min_mean_np=settings.min_mean_np)
    smooth, mpp = settings.outlines == "smooth", facts.frame.mpp
    return in_pixels(fixed, classes, mpp, smooth=smooth, simplify_px=settings.simplify_px)


def _segmenter(maps: SlideMaps, constants: PixelConstants) -> LocalSegmenter | OverlapSegmenter:
    """Return the segmenter that suits the ensemble: only networks that are not local overlap."""
    if maps.facts.overlap_px:
        # Few slides need it, and its imports take longer than many a job.
        from nucwsi.steps.segment.overlap import OverlapSegmenter

        return OverlapSegmenter(maps, constants)
    return LocalSegmenter(maps, constants)


def segment(
    maps: list[Path],
    output: Path,
    settings: SegmentSettings,
    *,
    part: int = 1,
    parts: int = 1,
    threads: int = 1,
) -> None:
    """Find the nuclei that one part of a canvas owns, and write them as a table.

    Parameters
    ----------
    maps : list of pathlib.Path
        The stores of all parts of the slide's maps, in any order: a nucleus of this part may reach
        into the next.
    output : pathlib.Path
        The table to write, ``nuclei/{part}-of-{parts}.parquet``.
    settings : SegmentSettings
        The section ``segment`` of the configuration; what it sets replaces the constants of the
        checkpoint.
    part, parts : int
        Which band of the canvas, from 1 on, of how many.
    threads : int
        Number of cores that are worked on at once; a merge by overlap takes one at a time.

    Raises
    ------
    StoreError
        If maps are missing or do not belong together, or the output cannot be written.
    """
    check_outputs([output], maps)
    with open_maps(maps) as opened:
        constants = _constants(opened.facts, settings)
        segmenter = _segmenter(opened, constants)
        rows = opened.grid.band(part, parts)
        facts = opened.facts.with_(
            kind="part",
            part=part,
            parts=parts,
            segment={**settings.model_dump(), "np_level": constants.np_level},
            result_version=RESULT_VERSION,
        )
        n_nuclei = 0

        def tables() -> Iterator[NucleusTable]:
            nonlocal n_nuclei
            # Tiles that overlap are merged row by row, each after the one above.
            at_once = 1 if opened.facts.overlap_px else threads
            for jobs in segmenter.stages(rows):
                with (
                    ThreadPoolExecutor(at_once) as pool,
                    progress("segment", len(jobs), "tiles") as advance,
                ):
                    for _, done in ahead(lambda job: list(job()), jobs, pool, 2 * at_once):
                        n_nuclei += sum(len(table) for table in done)
                        yield from done
                        advance(1)

        def counted() -> dict[str, Any]:
            dropped = dict(zip(facts.classes, segmenter.dropped.tolist(), strict=True))
            return {"n_dropped": dropped, "n_cut": segmenter.n_cut}

        write_nuclei(output, tables(), facts, row_group=AT_ONCE, counted=counted)
    log.info(
        "%d nuclei; %d were dropped as smaller than their class allows or too unsure",
        n_nuclei,
        int(segmenter.dropped.sum()),
    )
