"""`stitch`: one table from all parts, each nucleus once, neighbours together on disk.

Nuclei are first put into buckets along a Hilbert curve, then sorted bucket by bucket, so that
memory does not grow with their number.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nucwsi.config import StitchSettings
from nucwsi.errors import StoreError
from nucwsi.facts import SlideFacts
from nucwsi.grid import Frame
from nucwsi.io.nuclei.buckets import Buckets
from nucwsi.io.nuclei.parquet import AT_ONCE, iter_tables, read_facts, write_nuclei
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.io.outputs import check_outputs
from nucwsi.io.stores.publish import file_checksum, published, workspace
from nucwsi.nuclei.hilbert import hilbert_key
from nucwsi.nuclei.seams import LineCounts, line_counts, seam_audit
from nucwsi.nuclei.table import NucleusTable

log = logging.getLogger(__name__)

#: Said of nuclei in drawn regions that an analysis of the whole slide might cut apart otherwise.
_CUT = (
    "{} nuclei in the drawn regions touch others that go on beyond what was analysed; an analysis"
    " of the whole slide may cut them apart otherwise"
)


def _joint_facts(parts: list[Path]) -> SlideFacts:
    """Check that the parts are all of one run of one slide, and add up what they dropped."""
    of_parts = sorted((read_facts(path, "part") for path in parts), key=lambda facts: facts.part)
    first = of_parts[0]
    if fault := SlideFacts.fault_of_parts(of_parts):
        raise StoreError(f"{parts[0]}: {fault}; segment all parts with the same settings")
    dropped = {name: sum(facts.n_dropped[name] for facts in of_parts) for name in first.n_dropped}
    n_cut = sum(facts.n_cut for facts in of_parts)
    cut = (_CUT.format(n_cut),) if n_cut else ()
    for line in cut:
        log.warning("%s: %s", first.slide, line)
    warnings = first.warnings + cut
    return first.with_(
        kind="nuclei", part=1, parts=1, n_dropped=dropped, n_cut=n_cut, warnings=warnings
    )


def _keys(frame: Frame, row: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.int64]:
    top, left = frame.origin_px
    return hilbert_key(row - top, column - left, float(max(frame.level0_shape)))


def _check_unique(parts: list[Path], ids: list[NDArray[np.int64]]) -> None:
    values, counts = np.unique(np.concatenate(ids), return_counts=True)
    doubled = values[counts > 1]
    if len(doubled):
        raise StoreError(
            f"{parts[0]}: {len(doubled)} nuclei are owned twice (the first is {doubled[0]}); the"
            " parts do not belong together: segment them anew"
        )


def _bucket_bounds(keys: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the first key of each bucket but the first; buckets hold about `size` nuclei."""
    ordered = np.sort(keys)
    return np.unique(ordered[size::size])


def _line_counts(table: NucleusTable, frame: Frame, core_px: int) -> LineCounts:
    scale, origin = np.array(frame.scale), np.array(frame.origin_px)
    centroids = (np.column_stack([table.row, table.column]) - origin) / scale
    left, top, right, bottom = table.bounds.T
    corners = np.column_stack([top, left, bottom, right])
    boxes = (corners - np.tile(origin, 2)) / np.tile(scale, 2)
    return line_counts(centroids, boxes, table.area_um2, frame.shape, core_px)


def stitch(parts: list[Path], output: Path, seams: Path, settings: StitchSettings) -> None:
    """Join the parts of a slide into one table, and audit the seams between its tiles.

    Parameters
    ----------
    parts : list of pathlib.Path
        ``nuclei/{k}-of-{n}.parquet``, all of them, in any order.
    output : pathlib.Path
        ``nuclei.parquet``.
    seams : pathlib.Path
        ``seams.json``: the audit of the seams.
    settings : StitchSettings
        Size of the table's row groups.

    Raises
    ------
    StoreError
        If a part is missing or of another run, a nucleus occurs twice, or a file cannot be
        written.
    """
    check_outputs([output, seams], parts)
    facts = _joint_facts(parts)
    frame, core_px = facts.frame, facts.core_px
    columns = [read_columns(path, ["id", "row", "column"]) for path in parts]
    _check_unique(parts, [found["id"] for found in columns])
    keys = np.concatenate([_keys(frame, found["row"], found["column"]) for found in columns])
    bounds = _bucket_bounds(keys, AT_ONCE)
    total, counts = len(keys), LineCounts()
    del columns, keys

    decisive = {"parts": [file_checksum(path) for path in parts], "bounds": bounds.tolist()}
    with workspace(output, decisive) as place:
        buckets = Buckets(place.folder / "buckets", facts.classes)
        for table in (table for path in parts for table in iter_tables(path)):
            keys = _keys(frame, table.row, table.column)
            buckets.deal(table, np.searchsorted(bounds, keys, side="right"))
            counts = counts.plus(_line_counts(table, frame, core_px))

        def ordered() -> Iterator[NucleusTable]:
            for table in buckets:
                yield table.take(np.lexsort([table.id, _keys(frame, table.row, table.column)]))

        write_nuclei(output, ordered(), facts, settings.row_group)
    audit = {"exact": facts.exact, **seam_audit(counts, frame.shape, core_px)}
    with published(seams) as aside:
        aside.write_text(json.dumps(audit, indent=1) + "\n")
    if audit["visible"]:
        log.warning(
            "the seams can be seen: %d nuclei along them where %g were expected, %d cut",
            counts.n_seam,
            audit["n_expected"],
            counts.cut_seam,
        )
    if not facts.exact and not facts.imported:
        log.warning("a member is not local: other tiles would give slightly other nuclei")
    log.info("%d nuclei from %d parts", total, len(parts))
