"""Files of other programs are known by their form."""

import gzip
import json
import os
import zipfile

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from foreign_made import hovernet, qupath_detections, squares
from PIL import Image

from nucwsi.errors import DataError
from nucwsi.io.foreign import read as module
from nucwsi.io.foreign.read import read_foreign

NUCLEI = [shapely.box(9 * n, 9, 9 * n + 5, 15) for n in range(4)]


def test_each_form_is_told_by_its_content(tmp_path):
    qupath_detections(tmp_path / "a.geojson", NUCLEI, list("abcd"))
    packed = gzip.compress((tmp_path / "a.geojson").read_bytes())
    (tmp_path / "b.geojson.gz").write_bytes(packed)
    hovernet(tmp_path / "c.json", NUCLEI, [1, 1, 2, 2])
    np.save(tmp_path / "d.npy", squares(4))
    frame = geopandas.GeoDataFrame({"class": list("abcd")}, geometry=NUCLEI)
    frame.to_parquet(tmp_path / "e.parquet")
    files = ("a.geojson", "b.geojson.gz", "c.json", "d.npy", "e.parquet")
    found = {name: read_foreign(tmp_path / name, {}) for name in files}
    assert [nuclei.form for nuclei in found.values()] == [
        *("GeoJSON", "GeoJSON", "JSON of HoVer-Net", "label image", "GeoParquet")
    ]
    assert all(len(nuclei.polygons) == 4 for nuclei in found.values())
    assert found["e.parquet"].names == found["a.geojson"].names == list("abcd")


def test_a_packed_file_unpacks_to_no_more_than_an_export(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_ALWAYS", 1000)
    qupath_detections(tmp_path / "a.geojson", NUCLEI, list("abcd"))
    text = (tmp_path / "a.geojson").read_bytes()
    (tmp_path / "a.geojson.gz").write_bytes(gzip.compress(text))
    assert len(text) > 1000
    assert len(read_foreign(tmp_path / "a.geojson.gz", {}).polygons) == 4
    (tmp_path / "b.geojson.gz").write_bytes(gzip.compress(text + 10_000_000 * b" "))
    with pytest.raises(DataError, match=r"b\.geojson\.gz: unpacks to more than \d MB, which no"):
        read_foreign(tmp_path / "b.geojson.gz", {})


def test_classes_of_geoparquet_as_qgis_writes_those_of_qupath(tmp_path):
    label = json.dumps({"name": "Immune cells", "color": [1, 2, 3]})
    parts = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 9, 9)])
    frame = geopandas.GeoDataFrame(
        {"classification": [label, None]}, geometry=[parts, NUCLEI[1]], crs=None
    )
    frame.to_parquet(tmp_path / "a.parquet")
    found = read_foreign(tmp_path / "a.parquet", {})
    assert found.names == ["Immune cells", ""]
    assert found.polygons[0].bounds == (5, 5, 9, 9)


def test_what_cannot_be_read_is_named(tmp_path):
    for name in ("none.geojson", "none.parquet", "none.npy"):
        with pytest.raises(DataError, match=f"{name}: does not exist"):
            read_foreign(tmp_path / name, {})
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"a\.parquet: is no GeoParquet"):
        read_foreign(tmp_path / "a.parquet", {})
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b9")
    with pytest.raises(DataError, match=r"a\.gz: cannot be read"):
        read_foreign(tmp_path / "a.gz", {})
    np.save(tmp_path / "a.npy", np.zeros((5, 5), int))
    with pytest.raises(DataError, match=r"a\.npy: holds no nucleus"):
        read_foreign(tmp_path / "a.npy", {})
    # Damage at random (seed 3, case 287): pyproj has errors of its own.
    table = pa.table({"geometry": [shapely.box(0, 0, 1, 1).wkb]})
    for crs in ([[1]], "nowhere", 7):
        about = {"primary_column": "geometry", "version": "1.0.0"}
        column = {"encoding": "WKB", "geometry_types": [], "crs": crs}
        about["columns"] = {"geometry": column}
        geo = {b"geo": json.dumps(about).encode()}
        pq.write_table(table.replace_schema_metadata(geo), tmp_path / "a.parquet")
        with pytest.raises(DataError, match=r"a\.parquet: is no GeoParquet"):
            read_foreign(tmp_path / "a.parquet", {})
    points = geopandas.GeoDataFrame(geometry=[shapely.Point(1, 1)])
    points.to_parquet(tmp_path / "p.parquet")
    with pytest.raises(DataError, match="other shapes than polygons"):
        read_foreign(tmp_path / "p.parquet", {})


def test_what_has_another_form_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.geojson", "w") as archive:
        archive.writestr("a.geojson", "[]")
    Image.fromarray(squares(3).astype(np.uint8)).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.json")
    said = {"a.geojson": "is a zip, to be unpacked", "a.png": "is a PNG; expected GeoJSON, JSON of"}
    for name, kind in {**said, "pipe.json": "is a pipe or a device, expected a file"}.items():
        with pytest.raises(DataError, match=f"{name}: {kind}"):
            read_foreign(tmp_path / name, {})
