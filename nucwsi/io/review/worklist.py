"""Worklists: what QuPath opens, and the record of the draw that it is made from.

A worklist is a ``.geojson`` of annotations: a square for each class, so that QuPath knows it, the
frames, and the nuclei in walking order. QuPath keeps the id, the name, the measurements and, of
annotations, the metadata of an object; it drops what else a file holds. The record of the draw is
therefore kept in a second place, beside the results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from nucwsi.classes import colours, display_name
from nucwsi.errors import AnswerError, StoreError
from nucwsi.io.inputs import check_file
from nucwsi.io.stores.publish import published
from nucwsi.nuclei.validity import largest_polygon, on_grid
from nucwsi.review.answers import NOT_A_NUCLEUS
from nucwsi.review.draw import Draw, frame_name

#: Folder of a slide's results that keeps the records of its draws.
FOLDER = "review"

#: Red, green and blue of what is no nucleus, and of frames.
_NONE_COLOUR, _FRAME_COLOUR = (128, 128, 128), (255, 200, 0)

#: Side of the squares that show QuPath the classes, and half the distance between them, in level-0
#: pixels.
_LEGEND_PX = 20.0


def write_worklist(
    path: Path,
    draw: Draw,
    outlines: Mapping[int, bytes],
    predicted: Mapping[int, str],
    origin: tuple[float, float],
) -> dict[str, Any]:
    """Write what somebody is asked about.

    Parameters
    ----------
    path : pathlib.Path
        Ends in ``.geojson``.
    draw : Draw
        Of one slide.
    outlines : mapping of int to bytes
        Nucleus -> its outline as WKB, in level-0 pixels from the corner of the file.
    predicted : mapping of int to str
        Nucleus -> its class.
    origin : (float, float)
        Row and column of QuPath's origin on level 0.

    Returns
    -------
    dict
        Content of the file.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    shift = np.array(origin[::-1])
    palette = _palette(draw)
    features = [*_legend(draw, palette), *_frames(draw, shift)]
    for number, (ident, nucleus) in enumerate(
        zip(draw.nucleus_ids, draw.nuclei, strict=True), start=1
    ):
        outline = _on_grid(shapely.from_wkb(outlines[nucleus.id]), shift)
        properties = {
            "name": f"{number:03d}",
            "measurements": {
                "nucwsi review: number": number,
                "nucwsi review: probability": nucleus.probability,
            },
            "metadata": {"nucleus_id": str(nucleus.id)},
            "nucleus_id": nucleus.id,
        }
        label = None if draw.blind else predicted[nucleus.id]
        features.append(_annotation(draw, ident, outline, properties, label, palette))
    facts = {"draw": draw.to_json(), "origin_px": list(origin), "n_objects": len(features)}
    facts["classes"] = [{"name": name, "color": list(rgb)} for name, rgb in palette.items()]
    document = {"type": "FeatureCollection", "nucwsi": facts, "features": features}
    with published(path) as aside:
        aside.write_bytes(orjson.dumps(document) + b"\n")
    return document


def _palette(draw: Draw) -> dict[str, tuple[int, int, int]]:
    return {**colours(draw.classes), NOT_A_NUCLEUS: _NONE_COLOUR}


def _on_grid(shape: Any, shift: NDArray[np.float64]) -> Any:
    moved = shapely.transform(shape, lambda xy: xy - shift)
    whole = largest_polygon(on_grid(np.array([moved], dtype=object))[0])
    # QuPath has no object without area.
    return moved.centroid.buffer(1, quad_segs=2) if whole.area < 1 else whole


def _annotation(
    draw: Draw,
    ident: str,
    geometry: Any,
    properties: dict[str, Any],
    label: str | None,
    palette: dict[str, tuple[int, int, int]],
) -> dict[str, Any]:
    made = {"objectType": "annotation", "isLocked": True, **properties}
    of = {"nucwsi_draw": draw.key, "nucwsi_slide": draw.slide}
    made["metadata"] = {**of, **properties.get("metadata", {})}
    if label is not None:
        made["classification"] = {"name": display_name(label), "color": list(palette[label])}
    shape = shapely.geometry.mapping(geometry)
    return {"type": "Feature", "id": ident, "geometry": shape, "properties": made}


def _legend(draw: Draw, palette: dict[str, tuple[int, int, int]]) -> list[dict[str, Any]]:
    """Return a small square for each class: QuPath can list the classes of all objects."""
    places = 2 * _LEGEND_PX * np.arange(len(palette))
    return [
        _annotation(
            draw,
            ident,
            shapely.box(x, 0, x + _LEGEND_PX, _LEGEND_PX),
            {"name": f"class {name}"},
            name,
            palette,
        )
        for x, (ident, name) in zip(places, draw.legend_ids.items(), strict=False)
    ]


def _frames(draw: Draw, shift: NDArray[np.float64]) -> list[dict[str, Any]]:
    features = []
    for at, (ident, frame) in enumerate(zip(draw.frame_ids, draw.frames, strict=True)):
        square = shapely.box(*(np.array(frame.box).reshape(2, 2) - shift).round(2).ravel())
        properties = {
            "name": frame_name(at),
            "measurements": {"nucwsi review: probability": frame.probability},
        }
        made = _annotation(draw, ident, square, properties, None, {})
        made["properties"]["classification"] = {"name": "Frame", "color": list(_FRAME_COLOUR)}
        features.append(made)
    return features


def write_draw(folder: Path, draw: Draw) -> Path:
    """Keep the record of a draw beside the results of its slide.

    Parameters
    ----------
    folder : pathlib.Path
        Results of the slide.
    draw : Draw
        What was drawn.

    Returns
    -------
    pathlib.Path
        The file that was written.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    path = folder / FOLDER / f"{draw.key}.json"
    with published(path) as aside:
        aside.write_bytes(orjson.dumps(draw.to_json(), option=orjson.OPT_INDENT_2) + b"\n")
    return path


def read_draws(folder: Path) -> list[Draw]:
    """Read the records of the draws that are kept beside the results of a slide.

    Parameters
    ----------
    folder : pathlib.Path
        Results of the slide.

    Returns
    -------
    list of Draw
        The oldest first.

    Raises
    ------
    StoreError
        If a record is damaged.
    """
    files = (folder / FOLDER).glob("*.json")
    kept = sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))
    draws = []
    for path in kept:
        try:
            check_file(path)
            draws.append(Draw.from_json(json.loads(path.read_bytes())))
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(
                f"{path}: is not the record of a draw, or cannot be read ({error}); remove it, and"
                " name the worklist file beside the answers"
            ) from None
    return draws


def drawn_in(document: Any, path: Path) -> Draw | None:
    """Return the draw of a worklist, as `write_worklist` has written it.

    Parameters
    ----------
    document : object
        Content of a file of answers, which may be a worklist.
    path : pathlib.Path
        The file, for errors.

    Returns
    -------
    Draw or None
        None if the file is none that `write_worklist` has written.

    Raises
    ------
    AnswerError
        If the record of the draw is damaged.
    """
    facts = document.get("nucwsi") if isinstance(document, dict) else None
    if not isinstance(facts, dict) or "draw" not in facts:
        return None
    try:
        return Draw.from_json(facts["draw"])
    except ValueError as error:
        raise AnswerError(f"{path}: its record of a draw is damaged ({error})") from None


def is_unanswered(document: dict[str, Any], draw: Draw, predicted: Sequence[str]) -> bool:
    """Tell whether a worklist is still as it was written.

    Parameters
    ----------
    document : dict
        Content of the file.
    draw : Draw
        Its draw.
    predicted : sequence of str
        Classes of the nuclei of the draw, as the network says; in the order of the draw. Empty if
        some of them are gone.

    Returns
    -------
    bool
        Whether no object was added or taken away or damaged, and no class changed.
    """
    if len(predicted) < len(draw.nuclei):
        return False
    features = document.get("features")
    n_written = len(draw.legend_ids) + len(draw.frames) + len(draw.nuclei)
    if not isinstance(features, list) or len(features) != n_written:
        return False
    shown = dict(zip(draw.nucleus_ids, map(display_name, predicted), strict=True))
    for feature in features:
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if not isinstance(properties, dict):
            return False
        label = properties.get("classification")
        name = label.get("name") if isinstance(label, dict) else label
        ident = str(feature.get("id"))
        if ident in shown and name != (None if draw.blind else shown[ident]):
            return False
    return True
