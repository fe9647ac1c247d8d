"""The nuclei as QuPath objects: a zip of GeoJSON files that every version since 0.4 opens.

QuPath needs ten gigabytes of memory for one file of a million nuclei, but one gigabyte for a zip of
small files. It silently drops a damaged file of a zip, so every file written here is valid by
construction; `io.regions.check` tests the same rules independently.
"""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from nucwsi.classes import colours, display_name
from nucwsi.composition.disagreement import disagreement
from nucwsi.io.stores.publish import published
from nucwsi.nuclei.table import NucleusTable
from nucwsi.nuclei.validity import largest_polygon, on_grid
from nucwsi.review.matching import nucleus_uuid

#: Nuclei held as Python objects at a time; as text they take a tenth of the memory.
_AT_ONCE = 1024

_HEAD, _TAIL = b'{"type":"FeatureCollection","features":[\n', b"\n]}\n"

#: Bytes of text that are compressed at a time.
_TEXT_BYTES = 1 << 20

#: A file of more nuclei may exceed 2 GB, for which a zip needs longer fields.
_NUCLEI_2GB = 200_000

#: QuPath turns smaller outlines into objects without area. In level-0 pixels squared.
_MIN_AREA_PX = 1.0


class Written(NamedTuple):
    """How many nuclei a zip holds.

    Attributes
    ----------
    n_nuclei : int
        Objects in the zip.
    n_dropped : int
        Nuclei left out because their outline is smaller than one square pixel.
    """

    n_nuclei: int
    n_dropped: int


def _valid(polygons: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return polygons on QuPath's grid of 0.01 px, each in one part; None in place of a sliver."""
    polygons = on_grid(polygons)
    for place in np.flatnonzero(shapely.get_type_id(polygons) != shapely.GeometryType.POLYGON):
        polygons[place] = largest_polygon(polygons[place])
    polygons[shapely.area(polygons) < _MIN_AREA_PX] = None
    return polygons


def _rings(polygons: NDArray[np.object_]) -> Iterator[list[NDArray[np.float64]]]:
    """Yield the coordinates of each polygon as GeoJSON has them, a list of (K, 2) rings."""
    rings, owner = shapely.get_rings(polygons, return_index=True)
    points, ring_of = shapely.get_coordinates(rings, return_index=True)
    lengths = np.bincount(ring_of, minlength=len(rings))
    stops = np.cumsum(lengths)
    starts, stops = (stops - lengths).tolist(), stops.tolist()
    # Rounding to 0.01 is exact in decimal only after this.
    points = np.round(points, 2)
    firsts = np.searchsorted(owner, np.arange(len(polygons) + 1))
    for first, stop in zip(firsts[:-1].tolist(), firsts[1:].tolist(), strict=True):
        yield [points[starts[r] : stops[r]] for r in range(first, stop)]


def _measurements(table: NucleusTable, classes: tuple[str, ...]) -> Iterator[dict[str, float]]:
    columns = {
        "Area µm^2": table.area_um2,
        "Length µm": table.perimeter_um,
        "Max diameter µm": table.major_axis_um,
        "Min diameter µm": table.minor_axis_um,
        "Circularity": table.circularity,
        "Solidity": table.solidity,
        "Probability": table.class_probabilities.max(axis=1),
    }
    for number, name in enumerate(classes):
        columns[f"Probability: {display_name(name)}"] = table.class_probabilities[:, number]
    if table.contrasts.shape[1]:
        columns["Disagreement"] = disagreement(table.contrasts, table.class_code, len(classes))
    names = list(columns)
    values = np.round(np.column_stack(list(columns.values())).astype(np.float64), 4)
    for row in np.nan_to_num(values).tolist():
        yield dict(zip(names, row, strict=True))


def _features(
    table: NucleusTable, slide: str, classes: tuple[str, ...], origin: tuple[float, float]
) -> Iterator[dict[str, Any] | None]:
    """Yield each nucleus as a GeoJSON feature, or None where the outline is too small."""
    shift = np.array(origin[::-1])
    polygons = shapely.transform(shapely.from_wkb(table.geometry), lambda xy: xy - shift)
    polygons = _valid(polygons)
    kept = np.flatnonzero(~shapely.is_missing(polygons))
    yield from [None] * (len(polygons) - len(kept))
    palette = colours(classes)
    classification = [
        {"name": display_name(name), "color": list(palette[name])} for name in classes
    ]
    table = table.take(kept)
    parts = (table.id.tolist(), _rings(polygons[kept]), table.class_code.tolist())
    for ident, rings, code, measured in zip(*parts, _measurements(table, classes), strict=True):
        yield {
            "type": "Feature",
            "id": nucleus_uuid(slide, ident),
            "geometry": {"type": "Polygon", "coordinates": rings},
            "properties": {
                "objectType": "detection",
                "classification": classification[code],
                "measurements": measured,
                # QuPath ignores it; who reads the file need not look it up.
                "nucleus_id": ident,
            },
        }


def _pieces(tables: Iterable[NucleusTable]) -> Iterator[NucleusTable]:
    for table in tables:
        for start in range(0, len(table), _AT_ONCE):
            yield table.take(np.arange(start, min(start + _AT_ONCE, len(table))))


def _write_file(archive: zipfile.ZipFile, name: str, features: Iterable[bytes], large: bool) -> int:
    """Write features as one file of the zip, and count them."""
    count, text = 0, bytearray(_HEAD)
    with archive.open(name, "w", force_zip64=large) as sink:
        for count, feature in enumerate(features, start=1):
            text += b",\n" * (count > 1) + feature
            if len(text) > _TEXT_BYTES:
                sink.write(text)
                text.clear()
        sink.write(text + _TAIL)
    archive.getinfo(name).external_attr = 0o644 << 16
    return count


def write_nuclei_zip(
    path: Path,
    tables: Iterable[NucleusTable],
    *,
    slide: str,
    classes: tuple[str, ...],
    origin: tuple[float, float],
    nuclei_per_file: int,
    facts: dict[str, Any] | None = None,
) -> Written:
    """Write nuclei as QuPath detections.

    Parameters
    ----------
    path : pathlib.Path
        Ends in ``.zip``.
    tables : iterable of NucleusTable
        Consumed one at a time.
    slide : str
        Names the files, and makes ids unique among slides.
    classes : tuple of str
        Class names, in the order of the probabilities.
    origin : (float, float)
        Row and column on level 0 of QuPath's origin.
    nuclei_per_file : int
        Most objects in one file of the zip.
    facts : dict, optional
        Plain JSON types that are added to the comment of the zip, beside the number of objects.

    Returns
    -------
    Written
        How many nuclei are in the zip, and how many are not.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    written, dropped = 0, 0

    def _encoded() -> Iterator[bytes]:
        nonlocal dropped
        for piece in _pieces(tables):
            for feature in _features(piece, slide, classes, origin):
                if feature is None:
                    dropped += 1
                else:
                    yield orjson.dumps(feature, option=orjson.OPT_SERIALIZE_NUMPY)

    features = _encoded()
    large = nuclei_per_file > _NUCLEI_2GB
    with (
        published(path) as aside,
        zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for number in itertools.count(1):
            coming = list(itertools.islice(features, 1))
            # An empty slide is an empty file, for QuPath refuses an empty zip.
            if number > 1 and not coming:
                break
            several = itertools.chain(coming, itertools.islice(features, nuclei_per_file - 1))
            written += _write_file(archive, f"{slide}_{number:04d}.geojson", several, large)
        # QuPath silently drops a file that it cannot read: this is how many objects it must show.
        counts = {"n_objects": written, "n_slivers_left_out": dropped}
        archive.comment = orjson.dumps({**counts, **(facts or {})})
    return Written(written, dropped)
