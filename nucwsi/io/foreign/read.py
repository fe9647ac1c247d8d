"""Nuclei of other programs, whatever the form of their file."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import geopandas
import numpy as np
import shapely

from nucwsi.errors import DataError, pass_on_lack_of_memory
from nucwsi.io.foreign.json_forms import read_json
from nucwsi.io.foreign.label_image import is_label_image, read_label_image
from nucwsi.io.foreign.outlines import FARTHEST, ForeignNuclei
from nucwsi.io.regions.features import class_of, json_of

#: Columns of a GeoParquet in which programs write the class, the first that there is.
_CLASS_COLUMNS = ("class", "classification", "cell_type", "type")

#: What unpacks to so few bytes is never refused, and to what multiple of their size others may.
#: Outlines in JSON are packed to a tenth.
_ALWAYS, _MAX_RATIO = 256 << 20, 200

#: How other files begin that are named by mistake, and what they are.
_OTHER_KINDS = {
    b"PK\x03\x04": "a zip, to be unpacked, or a spreadsheet",
    b"\x89PNG": "a PNG",
    b"\xff\xd8\xff": "a JPEG",
    b"PAR1": "a table of parquet with another ending",
    b"II*\0": "a TIFF with another ending",
    b"MM\0*": "a TIFF with another ending",
    b"\x93NUMPY": "an array of NumPy with another ending",
}


def read_foreign(path: Path, names: dict[str, str]) -> ForeignNuclei:
    """Read nuclei that another program has found.

    Parameters
    ----------
    path : pathlib.Path
        GeoJSON (also packed, ``.gz``), JSON of HoVer-Net or CellViT, a label image (see
        `read_label_image`), or GeoParquet.
    names : dict of str to str
        Number of a class -> its name, for files that number their classes.

    Returns
    -------
    ForeignNuclei
        At least one nucleus.

    Raises
    ------
    DataError
        If the file is missing or damaged, of no such form, or holds no nucleus.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path}: is a pipe or a device, expected a file")
    if is_label_image(path):
        nuclei = read_label_image(path)
    elif path.suffix.lower() in {".parquet", ".geoparquet"}:
        nuclei = _geoparquet(path)
    else:
        nuclei = read_json(path, _content(path), names)
    if not len(nuclei.polygons):
        raise DataError(f"{path}: holds no nucleus")
    return nuclei


def _content(path: Path) -> bytes:
    try:
        data = _unpacked(path) if path.suffix.lower() == ".gz" else path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: does not exist") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); export it again") from None
    kind = next((kind for start, kind in _OTHER_KINDS.items() if data.startswith(start)), None)
    if kind is not None:
        raise DataError(
            f"{path}: is {kind}; expected GeoJSON, JSON of HoVer-Net or CellViT, a label image"
            " (.tif, .npy, .zarr) or GeoParquet (.parquet)"
        )
    return data


def _unpacked(path: Path) -> bytes:
    limit = max(_ALWAYS, _MAX_RATIO * path.stat().st_size)
    with gzip.open(path) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise DataError(
            f"{path}: unpacks to more than {limit / 1e6:.0f} MB, which no export of nuclei does;"
            " export it again, without packing it"
        )
    return data


def _geoparquet(path: Path) -> ForeignNuclei:
    try:
        # Of coordinates that are no number shapely warns; they are refused where all are.
        with np.errstate(invalid="ignore"):
            frame = geopandas.read_parquet(path)
        shapes = frame.geometry.to_numpy()
    except FileNotFoundError:
        raise DataError(f"{path}: does not exist") from None
    except Exception as error:  # noqa: BLE001 (geopandas and pyproj raise whatever they like)
        pass_on_lack_of_memory(error)
        raise DataError(f"{path}: is no GeoParquet ({error}); expected outlines") from None
    kinds = set(shapely.get_type_id(shapes).tolist()) - {3, 6}
    if kinds:
        raise DataError(f"{path}: holds other shapes than polygons; expected outlines of nuclei")
    points, owner = shapely.get_coordinates(shapes, return_index=True)
    far = ~(np.abs(points) < FARTHEST).all(axis=1)
    if far.any():
        raise DataError(
            f"{path}: nucleus {owner[far][0] + 1} has coordinates that cannot be on a slide"
            f" ({points[far][0].tolist()}); export it again"
        )
    parts, whose = shapely.get_parts(shapes, return_index=True)
    order = np.lexsort([-shapely.area(parts), whose])
    polygons = np.full(len(shapes), shapely.Polygon(), object)
    first = order[np.unique(whose[order], return_index=True)[1]]
    polygons[whose[first]] = shapely.polygons(shapely.get_exterior_ring(parts[first]))
    column = next((name for name in _CLASS_COLUMNS if name in frame), None)
    names = [""] * len(frame) if column is None else [_class(v, path) for v in frame[column]]
    return ForeignNuclei("GeoParquet", polygons, names, np.ones(len(frame)), "file")


def _class(value: object, path: Path) -> str:
    """Return the class of a cell; QGIS and pandas write QuPath's as JSON."""
    if not isinstance(value, str | dict) or value == "":
        return ""
    if isinstance(value, str) and value.startswith("{"):
        value = json_of(value.encode(), path)
    return class_of({"classification": value})[0]
