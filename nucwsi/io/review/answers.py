"""Answers to a worklist in all their forms: QuPath's GeoJSON, the viewer's file, a table.

Forms that are read:

* GeoJSON of QuPath 0.2 to 0.7, a feature collection, a list or a single feature; as ``.geojson`` or
  ``.json``, gzipped (``.gz``) or zipped (``.zip``). An object is known by its UUID, or by
  ``nucleus_id`` in its metadata, measurements or properties.
* The viewer's ``.json``: an object with ``"kind": "answers"``, described in docs/review.md.
* A table (``.csv``, ``.tsv``, ``.txt``) with the columns ``id`` and ``class``, or ``Object ID`` and
  ``Classification`` as in QuPath's own table of measurements.
"""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from nucwsi.errors import DAMAGED_ARCHIVE, AnswerError, RegionError
from nucwsi.io.csv_table import original
from nucwsi.io.regions.content import read_content
from nucwsi.io.regions.features import (
    class_of,
    features,
    json_of,
    kind_of,
    member_of,
    one_line,
    pairs_of,
)
from nucwsi.io.review.worklist import drawn_in
from nucwsi.io.text import decoded
from nucwsi.review.answers import Answer
from nucwsi.review.draw import Draw

#: Endings of tables.
_TABLES = frozenset({".csv", ".tsv", ".txt"})

#: Column -> names that it may have, in small letters.
_COLUMNS = {
    "id": ("id", "nucleus_id", "object id", "object_id"),
    "class": ("class", "classification", "label"),
    "slide": ("slide",),
    "draw": ("draw",),
    "x": ("x",),
    "y": ("y",),
    "time": ("time",),
}

#: Kinds of objects that QuPath's users do not draw by hand.
_FOUND = frozenset({"detection", "cell", "tile"})

#: Most bytes of a file inside a zip.
_MAX_BYTES = 256 << 20

_ANSWERS = "answers"


def read_answers(path: Path) -> list[Answer]:
    """Read a file of answers.

    Parameters
    ----------
    path : pathlib.Path
        In one of the forms above.

    Returns
    -------
    list of Answer
        All objects of the file, in its order, those without an answer included. What they belong to
        is not checked here.

    Raises
    ------
    AnswerError
        If the file is missing, damaged or of another form.
    """
    try:
        name = Path(path.stem if path.suffix.lower() == ".gz" else path.name)
        if name.suffix.lower() in _TABLES:
            return list(_of_table(path))
        return list(_of_document(path))
    except RegionError as error:
        raise _as_answers(error) from None


def read_worklist(path: Path) -> tuple[Draw, dict[str, Any]] | None:
    """Read the draw of a file that may be a worklist.

    Parameters
    ----------
    path : pathlib.Path
        A file of answers.

    Returns
    -------
    draw : Draw
        The draw.
    document : dict
        The whole file. None in place of both if it is no worklist of `io.review.worklist`.

    Raises
    ------
    AnswerError
        If the file cannot be read, or the record of the draw is damaged.
    """
    name = Path(path.stem if path.suffix.lower() == ".gz" else path.name)
    if name.suffix.lower() in {*_TABLES, ".zip"}:
        return None
    try:
        document = json_of(read_content(path), path)
    except RegionError as error:
        raise _as_answers(error) from None
    draw = drawn_in(document, path)
    return None if draw is None else (draw, document)


def _as_answers(error: RegionError) -> AnswerError:
    # The content of a file of regions and that of a file of answers are read by one reader.
    said = str(error).replace("; check `regions` in the slide sheet", "")
    large = "; regions are areas that somebody drew, not nuclei"
    return AnswerError(said.replace(large, "; export the annotations of the worklist alone"))


def _of_document(path: Path) -> Iterator[Answer]:
    for document in _documents(path):
        if isinstance(document, dict) and document.get("kind") == _ANSWERS:
            yield from _of_viewer(document, path)
        else:
            yield from _of_geojson(document, path)


def _documents(path: Path) -> Iterator[Any]:
    """Yield the JSON of a file, or of each file in a zip."""
    if path.suffix.lower() != ".zip":
        yield json_of(read_content(path), path)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                if Path(item.filename).suffix.lower() not in {".geojson", ".json"}:
                    continue
                if item.file_size > _MAX_BYTES:
                    raise AnswerError(f"{path}: {item.filename} holds more than 256 MB")
                yield json_of(archive.read(item), path)
    except FileNotFoundError:
        raise AnswerError(f"{path}: does not exist") from None
    except (AnswerError, RegionError):
        raise
    except DAMAGED_ARCHIVE as error:
        raise AnswerError(f"{path}: cannot be read ({error}); export it again") from None


def _of_geojson(document: Any, path: Path) -> Iterator[Answer]:
    for number, feature in enumerate(features(document, path), start=1):
        where = f"{path}: feature {number}"
        properties = member_of(feature, "properties", dict, where)
        kind = kind_of(feature, properties)
        if kind in {"root", "tmacore"}:
            continue
        noted, named = _noted(properties), f"{where}: `nucleus_id`"
        # The id of a nucleus of our zip tells the slide, too; its number does not.
        exported = kind in _FOUND and "nucleus_id" in properties
        geometry = member_of(feature, "geometry", dict, where)
        for place, area in _places(geometry, where):
            yield Answer(
                object_id=_text(feature.get("id")),
                label=class_of(properties)[0],
                kind="detection" if kind in _FOUND else "annotation",
                nucleus_id=None if exported else _number(noted.get("nucleus_id"), named),
                draw=_text(noted.get("nucwsi_draw")),
                slide=_text(noted.get("nucwsi_slide")),
                place=place,
                area_px=area,
            )


def _noted(properties: dict[str, Any]) -> dict[str, Any]:
    """Return what a feature says of itself: its properties, measurements and metadata."""
    return {
        **properties,
        **pairs_of(properties, "measurements"),
        **pairs_of(properties, "metadata"),
    }


def _places(geometry: dict[str, Any], where: str) -> list[tuple[tuple[float, float] | None, float]]:
    """Return the centre and the area of a shape, or of each of several points."""
    if not geometry:
        return [(None, 0.0)]
    try:
        with np.errstate(invalid="ignore"):
            shape = shapely.geometry.shape(geometry)
        parts = shapely.get_parts(shape) if shape.geom_type == "MultiPoint" else [shape]
        centres = [shapely.get_coordinates(part.centroid).tolist() for part in parts]
        areas = [float(part.area) for part in parts]
    except (
        *(ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError),
        shapely.errors.ShapelyError,
    ) as error:
        raise AnswerError(f"{where} has an unreadable outline ({error}); draw it again") from None
    if not all(centre and np.isfinite(centre).all() for centre in centres):
        raise AnswerError(f"{where} has an outline without finite coordinates; draw it again")
    return [((c[0][0], c[0][1]), area) for c, area in zip(centres, areas, strict=True)]


def _of_viewer(document: dict[str, Any], path: Path) -> Iterator[Answer]:
    draw, slide = _text(document.get("draw")), _text(document.get("slide"))
    rows = member_of(document, "answers", list, f"{path}:")
    for number, row in enumerate(rows, start=1):
        yield _of_row(row, f"{path}: answer {number}", draw, slide)
    for number, frame in enumerate(member_of(document, "frames", list, f"{path}:"), start=1):
        where = f"{path}: frame {number}"
        _check_object(frame, where)
        if frame.get("done") is True:
            yield Answer(_text(frame.get("id")), "done", "row", draw=draw, slide=slide)
        for nucleus in member_of(frame, "missed", list, where):
            yield _of_row(nucleus, f"{where}: a missed nucleus", draw, slide, missed=True)


def _check_object(row: Any, where: str) -> None:
    if not isinstance(row, dict):
        raise AnswerError(f"{where} is {row!r:.60}, expected an object; save the answers again")


def _of_row(row: Any, where: str, draw: str, slide: str, *, missed: bool = False) -> Answer:
    _check_object(row, where)
    name = "" if missed else _text(row.get("id"))
    place = _place(row, where)
    if missed and place is None:
        raise AnswerError(f"{where} has no `x` and `y`; save the answers again")
    return Answer(
        object_id=name,
        label=one_line(row.get("class") or ""),
        kind="row" if name else "added",
        nucleus_id=int(name) if re.fullmatch(r"\d{1,18}", name) else None,
        draw=_text(row.get("draw")) or draw,
        slide=_text(row.get("slide")) or slide,
        place=place,
        time=_text(row.get("time")),
    )


def _place(row: dict[str, Any], where: str) -> tuple[float, float] | None:
    stated: list[Any] = [row.get(name) for name in ("x", "y")]
    if all(value is None or value == "" for value in stated):
        return None
    try:
        x, y = (float(value) for value in stated)
    except (TypeError, ValueError, OverflowError):
        x = y = math.nan
    if not (math.isfinite(x) and math.isfinite(y)):
        raise AnswerError(f"{where} has {stated!r:.80} as `x` and `y`, expected two numbers")
    return x, y


def _text(value: Any) -> str:
    return "" if value is None else one_line(value)


def _number(value: Any, where: str) -> int | None:
    """Return the number of a nucleus, which programs write as text or with a decimal point."""
    if value is None or value == "":
        return None
    try:
        number = int(value) if isinstance(value, str) and value.isdigit() else float(value)
        if number >= 0 and number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise AnswerError(f"{where} is {value!r:.60}, expected the number of a nucleus")


def _of_table(path: Path) -> Iterator[Answer]:
    header, rows = _rows(path)
    named = {
        column: next((header.index(name) for name in names if name in header), None)
        for column, names in _COLUMNS.items()
    }
    if named["id"] is None or named["class"] is None:
        raise AnswerError(
            f"{path}: has the columns {', '.join(header) or '(none)'!s:.200}; expected `id` and"
            " `class`"
        )
    for number, row in enumerate(rows, start=1):
        where = f"{path}: row {number}"
        if len(row) > len(header):
            raise AnswerError(f"{where} has {len(row)} cells, expected {len(header)}")
        cells = {
            column: original(row[at].strip())
            for column, at in named.items()
            if at is not None and at < len(row)
        }
        answer = _of_row(cells, where, "", "")
        if answer.object_id == "" and answer.place is None:
            raise AnswerError(f"{where} has no `id`; a missed nucleus has `x` and `y` instead")
        yield answer


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the columns of a table in small letters, and its rows that are not blank."""
    try:
        lines = decoded(read_content(path)).splitlines(keepends=True)
        first = lines[0] if lines else ""
        delimiter = max("\t;,", key=first.count)
        table = [
            row
            for row in csv.reader(io.StringIO("".join(lines)), delimiter=delimiter, strict=True)
            if any(map(str.strip, row))
        ]
    except UnicodeDecodeError as error:
        raise AnswerError(f"{path}: is not UTF-8 ({error}); save it as CSV UTF-8") from None
    except csv.Error as error:
        raise AnswerError(f"{path}: cannot be read ({error}); check its quotes") from None
    if not table:
        return [], []
    return [cell.strip().lower() for cell in table[0]], table[1:]
