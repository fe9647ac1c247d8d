"""Objects of QuPath in GeoJSON: what every version since 0.2 writes, read alike."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from nucwsi.composition.regions import Colour
from nucwsi.errors import RegionError
from nucwsi.io.regions.content import read_content
from nucwsi.io.text import decoded

#: White space and control characters.
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def one_line(text: Any) -> str:
    """Return a text on one line.

    Parameters
    ----------
    text : object
        A name as a file holds it.

    Returns
    -------
    str
        Without control characters, and with ``?`` for what no encoding can hold.
    """
    return _BREAKS.sub(" ", str(text)).strip().encode("utf-8", "replace").decode()


def document(path: Path) -> Any:
    """Read the JSON of a file.

    Parameters
    ----------
    path : pathlib.Path
        The file; unpacked if it ends in ``.gz``.

    Returns
    -------
    object
        Plain JSON types; numbers may be NaN.

    Raises
    ------
    RegionError
        If the file cannot be read, or is not UTF-8 or no JSON.
    """
    return json_of(read_content(path), path)


def json_of(data: bytes, path: Path) -> Any:
    """Read JSON, as QuPath writes it.

    Parameters
    ----------
    data : bytes
        Content of a file.
    path : pathlib.Path
        Where it comes from, for errors.

    Returns
    -------
    object
        Plain JSON types; numbers may be NaN.

    Raises
    ------
    RegionError
        If it is not UTF-8 or no JSON.
    """
    try:
        text = decoded(data)
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            # Python's parser accepts NaN, which QuPath writes as a measurement, and has the clearer
            # message.
            return json.loads(text)
    except UnicodeDecodeError as error:
        raise RegionError(f"{path}: is not UTF-8 ({error}); save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise RegionError(
            f"{path}: is not GeoJSON ({error}); export it from QuPath again"
        ) from None


def member_of(holder: dict[str, Any], name: str, kind: type, where: str) -> Any:
    """Return a member that is an object or a list; an empty one if it is missing or null.

    Parameters
    ----------
    holder : dict
        The object that has the member.
    name : str
        Name of the member.
    kind : type
        ``dict`` or ``list``.
    where : str
        What an error names.

    Returns
    -------
    dict or list
        The member.

    Raises
    ------
    RegionError
        If it is something else.
    """
    value = holder.get(name)
    if value is not None and not isinstance(value, kind):
        raise RegionError(
            f"{where} holds {reprlib.repr(value)} as `{name}`; export it from QuPath again"
        )
    return value or kind()


def _items(document: Any, path: Path) -> list[Any]:
    """Return the features of a collection, a list or a single feature, without their children."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features: list[Any] = member_of(document, "features", list, f"{path}:")
        return features
    if isinstance(document, dict) and document.get("type") == "Feature":
        return [document]
    raise RegionError(
        f"{path}: holds no GeoJSON features; in QuPath use File > Export objects as GeoJSON"
    )


def features(document: Any, path: Path) -> Iterator[dict[str, Any]]:
    """Yield each feature of a document, followed by its children.

    Parameters
    ----------
    document : object
        A feature collection, a list of features or a single feature.
    path : pathlib.Path
        Where it comes from, for errors.

    Yields
    ------
    dict
        The next feature.

    Raises
    ------
    RegionError
        If the document holds something else than features.
    """
    waiting = [iter(_items(document, path))]
    while waiting:
        item = next(waiting[-1], waiting)
        if item is waiting:
            waiting.pop()
            continue
        if not isinstance(item, dict):
            raise RegionError(
                f"{path}: holds {reprlib.repr(item)} where a feature is expected; export it again"
            )
        yield item
        properties = member_of(item, "properties", dict, f"{path}: a feature")
        children = member_of(properties, "childObjects", list, f"{path}: a feature")
        waiting.append(iter(children))


def kind_of(feature: dict[str, Any], properties: dict[str, Any]) -> str:
    """Return QuPath's kind of an object in the words of today, such as ``tmacore``.

    Parameters
    ----------
    feature, properties : dict
        A feature of GeoJSON, and its properties.

    Returns
    -------
    str
        In small letters: ``annotation``, ``detection``, ``cell`` and so on; ``none`` or anything
        else where nothing is stated.
    """
    # QuPath 0.2 stored it as the id, `PathAnnotationObject` or `TMACoreObject`; 0.3 as `tma_core`.
    stated = (properties.get(key) for key in ("objectType", "object_type", "type"))
    kind = next((value for value in stated if value), feature.get("id"))
    return str(kind).lower().replace("_", "").removeprefix("path").removesuffix("object")


def pairs_of(properties: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what QuPath has noted of an object: its measurements, or its metadata.

    Parameters
    ----------
    properties : dict
        Those of a feature.
    name : str
        ``measurements`` or ``metadata``.

    Returns
    -------
    dict
        Name -> value, of any kind; empty where nothing is noted.
    """
    held = properties.get(name)
    if isinstance(held, list):
        # QuPath before 0.4 wrote a list of names and values.
        pairs = (item for item in held if isinstance(item, dict))
        return {str(item.get("name")): item.get("value") for item in pairs}
    return held if isinstance(held, dict) else {}


def class_of(properties: dict[str, Any]) -> tuple[str, Colour | None]:
    """Return the name and the colour of a feature's class.

    Parameters
    ----------
    properties : dict
        Those of the feature.

    Returns
    -------
    name : str
        On one line; empty without a class.
    colour : (int, int, int), optional
        Red, green and blue, 0 to 255.
    """
    label = properties.get("classification")
    if not isinstance(label, dict):
        return one_line(label or ""), None
    names = label.get("names")
    # QuPath shows the parts of a derived class joined like this.
    name = ": ".join(map(str, names)) if isinstance(names, list) else str(label.get("name") or "")
    colour = label.get("color")
    # QuPath before 0.4 wrote the colour as one signed number.
    return one_line(name), _colour(label.get("colorRGB") if colour is None else colour)


def _colour(value: Any) -> Colour | None:
    if type(value) is int and -(1 << 31) <= value < 1 << 32:
        return value >> 16 & 255, value >> 8 & 255, value & 255
    if not isinstance(value, list) or len(value) < 3:
        return None
    red, green, blue = value[:3]
    sound = all(type(part) is int and 0 <= part <= 255 for part in (red, green, blue))
    return (red, green, blue) if sound else None
