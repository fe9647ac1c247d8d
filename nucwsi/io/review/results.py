"""The results of a slide as a review needs them: its nuclei, its regions and their counts."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.composition.regions import Region
from nucwsi.errors import ConfigError, StoreError
from nucwsi.facts import SlideFacts
from nucwsi.io.csv_table import TEXTS, read_csv
from nucwsi.io.nuclei.arrow import to_bytes, to_numpy
from nucwsi.io.nuclei.parquet import iter_batches, read_facts
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.io.regions.files import read_written_regions
from nucwsi.io.regions.geojson import read_tissue

#: Table of the nuclei of a slide, in the folder of its results.
NUCLEI = "nuclei.parquet"


class SlideResults(NamedTuple):
    """The results of a slide.

    Attributes
    ----------
    folder : pathlib.Path
        Where they lie.
    facts : SlideFacts
        Those of the nuclei.
    fingerprint : str
        Of the nuclei: of their numbers, places and class probabilities.
    ids : (N,) ndarray of int64
        Numbers of the nuclei.
    points : (N, 2) ndarray of float64
        Their centroids, x and y in level-0 pixels from the corner of the file.
    class_probabilities : (N, C) ndarray of float32
        0 to 1.
    rows : list of dict
        Rows of ``composition.csv`` (column -> text), without the squares of the grid.
    regions : list of Region
        The region of each row, empty where it has no area.
    """

    folder: Path
    facts: SlideFacts
    fingerprint: str
    ids: NDArray[np.int64]
    points: NDArray[np.float64]
    class_probabilities: NDArray[np.float32]
    rows: list[dict[str, str]]
    regions: list[Region]


def result_folders(results: Path) -> list[Path]:
    """List the slides of a folder of results.

    Parameters
    ----------
    results : pathlib.Path
        ``nuclei.parquet`` of a slide, the folder of a slide, or that of a cohort.

    Returns
    -------
    list of pathlib.Path
        Folders that hold a ``nuclei.parquet``, in the order of their names; at least one.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if results.name == NUCLEI and results.is_file():
        return [results.parent]
    if (results / NUCLEI).is_file():
        return [results]
    found = sorted(path.parent for path in results.glob(f"*/{NUCLEI}"))
    if not found:
        raise ConfigError(
            f"{results}: holds no {NUCLEI}, and no folder of a slide that does; name the folder of"
            " the results of a slide or of a cohort"
        )
    return found


def read_results(folder: Path, composition: Path | None = None) -> SlideResults:
    """Read the results of a slide.

    Parameters
    ----------
    folder : pathlib.Path
        Holds ``nuclei.parquet``, ``composition.csv`` and ``{slide}.regions.geojson``.
    composition : pathlib.Path, optional
        Another folder that holds the last two.

    Returns
    -------
    SlideResults
        All its nuclei.

    Raises
    ------
    StoreError
        If a file is missing or damaged.
    """
    nuclei = folder / NUCLEI
    facts = read_facts(nuclei)
    ids, points, probabilities = _read_nuclei(nuclei, facts)
    composed = composition or folder
    needed = ("region_id", "region_name", "region_class", "region_source", "n_nuclei")
    rows = read_csv(composed / "composition.csv", needed, TEXTS)
    rows = [row for row in rows if row["region_source"] != "grid"]
    outlined = composed / f"{facts.slide}.regions.geojson"
    regions = _of_rows(rows, read_written_regions(outlined, facts.frame.origin_px))
    if regions is None:
        raise StoreError(
            f"{outlined}: does not hold the regions of {composed / 'composition.csv'}; run `nucwsi"
            " compose`"
        )
    return SlideResults(
        folder,
        facts,
        _fingerprint(facts, ids, points, probabilities),
        ids.astype(np.int64),
        points.reshape(-1, 2),
        probabilities,
        rows,
        regions,
    )


def results_fingerprint(nuclei: Path) -> str:
    """Return the fingerprint of the nuclei of a slide, as the record of a draw states it.

    Parameters
    ----------
    nuclei : pathlib.Path
        ``nuclei.parquet``.

    Returns
    -------
    str
        `SlideResults.fingerprint` of the slide.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    """
    facts = read_facts(nuclei)
    return _fingerprint(facts, *_read_nuclei(nuclei, facts))


def _read_nuclei(
    nuclei: Path, facts: SlideFacts
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float32]]:
    """Return the numbers of the nuclei, their centroids (x, y), and their class probabilities."""
    shares = [f"p_{name}" for name in facts.classes]
    table = read_columns(nuclei, ["id", "row", "column", *shares])
    points = np.column_stack([table["column"], table["row"]]).astype(np.float64)
    probabilities = np.column_stack([table[name] for name in shares]).astype(np.float32)
    return table["id"], points, probabilities


def _fingerprint(facts: SlideFacts, *columns: NDArray[Any]) -> str:
    digest = hashlib.sha256("\0".join([facts.slide_checksum, *facts.classes]).encode())
    for column in columns:
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:32]


def _of_rows(rows: Sequence[dict[str, str]], regions: Sequence[Region]) -> list[Region] | None:
    """Return the region of each row, with the id and source that the row states.

    Both have one order, but a region without area is in the table alone. None if they differ.
    """
    waiting = list(regions)
    matched = []
    for row in rows:
        label = row["region_name"], row["region_class"]
        shape: Any = shapely.Polygon()
        if waiting and (waiting[0].name, waiting[0].region_class) == label:
            shape = waiting.pop(0).geometry
        matched.append(Region(row["region_id"], *label, row["region_source"], shape))
    return None if waiting else matched


def read_outlines(folder: Path, ids: Collection[int]) -> dict[int, bytes]:
    """Read the outlines of some nuclei.

    Parameters
    ----------
    folder : pathlib.Path
        Results of the slide.
    ids : collection of int
        Numbers of the nuclei.

    Returns
    -------
    dict of int to bytes
        Number -> outline as WKB, in level-0 pixels from the corner of the file.

    Raises
    ------
    StoreError
        If the table of nuclei is damaged.
    """
    found: dict[int, bytes] = {}
    wanted = np.array(sorted(ids), np.int64)
    for batch in iter_batches(folder / NUCLEI, ["id", "geometry"]):
        numbers = to_numpy(batch.column("id"))
        hits = np.flatnonzero(np.isin(numbers, wanted))
        if len(hits):
            outlines = to_bytes(batch.column("geometry"))
            found |= {int(numbers[at]): bytes(outlines[at]) for at in hits.tolist()}
    return found


def tissue_of(folder: Path) -> Any:
    """Read the tissue of a slide.

    Parameters
    ----------
    folder : pathlib.Path
        Results of the slide, with ``tissue.geojson``.

    Returns
    -------
    shapely.Geometry
        In level-0 pixels from the corner of the file.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    """
    _, pieces = read_tissue(folder / "tissue.geojson")
    return shapely.union_all(np.array(pieces, dtype=object))
