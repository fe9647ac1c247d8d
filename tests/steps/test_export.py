"""`export` from the reader's side: what other programs make of the files."""

import json
import zipfile

import duckdb
import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
import zarr
from commands import refused, run, succeeded
from ome_zarr_models import open_ome_zarr
from tables_made import ORIGIN, write_result
from yaozarrs import validate_zarr_store

from nucwsi.classes import COLOURS, CONIC
from nucwsi.io.nuclei import labels as omezarr
from nucwsi.io.regions.check import check_geojson, zip_facts

TOP, LEFT = ORIGIN
EVERYTHING = ("--ome-zarr", "--flatgeobuf", "--csv")


def exported(folder, *options, n=1500, **made):
    nuclei, _, _ = write_result(folder, n, **made)
    succeeded("export", nuclei, "-o", folder / "made.nuclei.qupath.zip", *options)
    return folder


def unpacked(path):
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # Several chunks and levels on a small slide.
        patch.setattr(omezarr, "_CHUNK_PX", 256)
        return exported(tmp_path_factory.mktemp("made"), *EVERYTHING, "--nuclei-per-file", 400)


@pytest.fixture(scope="module")
def labels(made):
    return unpacked(made / "made.labels.ome.zarr.zip")


def test_the_table_is_read_by_geopandas_and_duckdb(made):
    path = made / "nuclei.parquet"
    nuclei = geopandas.read_parquet(path)
    assert nuclei.crs is None
    assert nuclei.geometry.is_valid.all()
    some = geopandas.read_parquet(path, bbox=(LEFT, TOP, LEFT + 900, TOP + 900))
    near = shapely.box(LEFT, TOP, LEFT + 900, TOP + 900)
    # A box picks what its outlines' boxes touch.
    expected = nuclei[shapely.intersects(shapely.box(*nuclei.bounds.to_numpy().T), near)]
    assert 10 < len(some) == len(expected)
    rows = duckdb.read_parquet(str(path)).aggregate('"class", count(*), sum(area_um2)').fetchall()
    counts = nuclei["class"].value_counts()
    assert {name: number for name, number, _ in rows} == counts.to_dict()
    assert sum(area for *_, area in rows) == pytest.approx(nuclei["area_um2"].sum(), rel=1e-4)


def test_qupath_gets_all_and_is_told_how_many(made, tmp_path):
    path = made / "made.nuclei.qupath.zip"
    verdict = check_geojson(path)
    assert (verdict.n_features, verdict.n_faults) == (1500, 0)
    assert zip_facts(path)["n_objects"] == 1500
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 4
        # A part is lost: QuPath would not say a word.
        with zipfile.ZipFile(tmp_path / "lost.zip", "w") as lost:
            lost.comment = archive.comment
            for name in archive.namelist()[1:]:
                lost.writestr(name, archive.read(name))
    checked = run("check-geojson", tmp_path / "lost.zip")
    assert checked.exit_code == 1
    assert "lost.zip: holds 1100 objects, but 1500 were written" in checked.output


def test_two_validators_accept_the_label_image(labels):
    validate_zarr_store(str(labels))
    for name in ("", "labels/nuclei", "labels/class"):
        group = zarr.open_group(labels / name, mode="r")
        model = open_ome_zarr(group)
        assert type(model).__name__ == ("ImageLabel" if name else "Image")
    root = zarr.open_group(labels, mode="r")
    for group in (root, root["labels/nuclei"], root["labels/class"]):
        assert sorted(group.array_keys()) == ["0", "1", "2", "3", "4"], "as many levels each"
    assert root["labels/nuclei/0"].dtype == np.uint32
    assert root["labels/class/0"].dtype == np.uint8


def test_napari_opens_it(labels):
    plugin = pytest.importorskip("napari_ome_zarr", reason="napari-ome-zarr is not installed")
    layers = plugin.napari_get_reader(str(labels))(str(labels))
    assert [kind for *_, kind in layers] == ["image", "labels", "labels"]


def test_every_nucleus_is_painted_where_its_outline_is(made, labels):
    nuclei = geopandas.read_parquet(made / "nuclei.parquet")
    root = zarr.open_group(labels, mode="r")
    numbers, kinds = root["labels/nuclei/0"][:], root["labels/class/0"][:]
    assert numbers.shape == kinds.shape == (3000, 4000)
    assert set(np.unique(numbers)) <= set(range(len(nuclei) + 1))
    rows, columns = np.nonzero(numbers)
    middles = np.column_stack([columns + 0.5, rows + 0.5]) * 2 + [LEFT, TOP]
    owner = nuclei.geometry.to_numpy()[numbers[rows, columns] - 1]
    assert shapely.intersects_xy(owner, *middles.T).all()
    # What is blank lies in no outline, seen at random.
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(0, side, 20000) for side in numbers.shape)
    blank = numbers[rows, columns] == 0
    middles = shapely.points(np.column_stack([columns + 0.5, rows + 0.5]) * 2 + [LEFT, TOP])
    inside = shapely.STRtree(nuclei.geometry).query(middles[blank], predicate="within")
    assert inside.shape[1] == 0
    # Overlaps belong to the first of the table, also where a part of the table ends.
    tree = shapely.STRtree(nuclei.geometry)
    pairs = tree.query(nuclei.geometry, predicate="overlaps")
    assert (pairs[0] // 50 != pairs[1] // 50).any()
    rows, columns = np.nonzero(np.isin(numbers, pairs[0] + 1))
    middles = shapely.points(np.column_stack([columns + 0.5, rows + 0.5]) * 2 + [LEFT, TOP])
    pixel, owner = tree.query(middles, predicate="within")
    first = np.full(len(rows), len(nuclei))
    np.minimum.at(first, pixel, owner)
    np.testing.assert_array_equal(numbers[rows, columns], first + 1)
    pixels = np.bincount(numbers.ravel(), minlength=len(nuclei) + 1)[1:]
    area = nuclei.geometry.area.to_numpy() / 4
    alone = np.setdiff1d(np.arange(len(nuclei)), pairs.ravel())
    np.testing.assert_allclose(pixels[alone].sum(), area[alone].sum(), rtol=0.01)
    codes = nuclei["class"].map({name: n for n, name in enumerate(CONIC, start=1)}).to_numpy()
    np.testing.assert_array_equal(kinds, np.concatenate([[0], codes])[numbers])


def test_colours_and_coarser_levels(labels):
    root = zarr.open_group(labels, mode="r")
    for level in range(5):
        kinds = root[f"labels/class/{level}"][:]
        for name in ("labels/nuclei", "labels/class"):
            finer = root[f"{name}/0"][:: 2**level, :: 2**level]
            np.testing.assert_array_equal(root[f"{name}/{level}"][:], finer)
        palette = np.array([(255, 255, 255), *(COLOURS[name] for name in CONIC)])
        np.testing.assert_array_equal(root[str(level)][:].transpose(1, 2, 0), palette[kinds])
    image_label = dict(root["labels/class"].attrs)["image-label"]
    shown = {entry["label-value"]: entry["rgba"] for entry in image_label["colors"]}
    assert shown[3] == [*COLOURS["lymphocyte"], 255]
    assert image_label["properties"][3] == {"label-value": 3, "class": "Lymphocyte"}
    described = dict(root.attrs)["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    assert described[0]["scale"] == [1, 1, 1], "µm"
    assert described[1]["translation"] == [0, TOP * 0.25, LEFT * 0.25]


def test_flatgeobuf_and_csv_hold_the_table(made):
    nuclei = geopandas.read_parquet(made / "nuclei.parquet")
    stored = geopandas.read_file(made / "made.nuclei.fgb").sort_values("id", ignore_index=True)
    ordered = nuclei.sort_values("id", ignore_index=True)
    assert shapely.equals_exact(stored.geometry, ordered.geometry).all()
    some = geopandas.read_file(made / "made.nuclei.fgb", bbox=(LEFT, TOP, LEFT + 500, TOP + 500))
    assert 0 < len(some) < len(nuclei) / 10
    table = pd.read_csv(made / "made.nuclei.csv")
    plain = pd.DataFrame(nuclei.drop(columns="geometry")).astype({"class": str})
    assert list(table) == list(plain) == [name for name in stored if name != "geometry"]
    pd.testing.assert_frame_equal(table, plain, check_dtype=False)


def test_what_is_not_asked_for_is_absent(tmp_path):
    exported(tmp_path, n=5)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"nuclei.parquet", "tissue.geojson", "made.nuclei.qupath.zip"}


@pytest.mark.parametrize("n", [0, 1])
def test_no_nuclei_and_one(tmp_path, n):
    exported(tmp_path, *EVERYTHING, n=n)
    assert check_geojson(tmp_path / "made.nuclei.qupath.zip").n_features == n
    assert check_geojson(tmp_path / "made.nuclei.qupath.zip").n_faults == 0
    assert len(geopandas.read_file(tmp_path / "made.nuclei.fgb")) == n
    assert len(pd.read_csv(tmp_path / "made.nuclei.csv")) == n
    assert len(geopandas.read_parquet(tmp_path / "nuclei.parquet")) == n
    folder = unpacked(tmp_path / "made.labels.ome.zarr.zip")
    validate_zarr_store(str(folder))
    assert (zarr.open_group(folder, mode="r")["labels/nuclei/0"][:] > 0).any() == (n > 0)


def test_a_killed_job_goes_on_to_the_same_labels(made, tmp_path, monkeypatch):
    nuclei, _, _ = write_result(tmp_path, 1500)
    monkeypatch.setattr(omezarr, "_CHUNK_PX", 256)
    output = ("export", nuclei, "-o", tmp_path / "made.nuclei.qupath.zip", "--ome-zarr")
    with monkeypatch.context() as patch:
        patch.setattr(omezarr, "_colour", lambda *_: 1 / 0)
        assert isinstance(run(*output).exception, ZeroDivisionError)
    name = "made.labels.ome.zarr.zip"
    assert not (tmp_path / name).exists()
    assert (tmp_path / f".{name}.work").exists()
    succeeded(*output)
    assert (tmp_path / name).read_bytes() == (made / name).read_bytes()
    assert not (tmp_path / f".{name}.work").exists()


def test_an_output_that_cannot_be(tmp_path):
    nuclei, _, _ = write_result(tmp_path, 5)
    for option, name in zip(
        EVERYTHING, ("labels.ome.zarr.zip", "nuclei.fgb", "nuclei.csv"), strict=True
    ):
        (tmp_path / f"made.{name}").mkdir()
        line = refused("export", nuclei, "-o", tmp_path / "made.nuclei.qupath.zip", option)
        assert "cannot be written: Is a directory" in line
        assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_ids_in_qupath_are_the_same_in_every_export(made, tmp_path):
    exported(tmp_path)
    ids = []
    for folder in (made, tmp_path):
        with zipfile.ZipFile(folder / "made.nuclei.qupath.zip") as archive:
            features = [
                feature
                for name in archive.namelist()
                for feature in json.loads(archive.read(name))["features"]
            ]
        ids.append([feature["id"] for feature in features])
    assert ids[0] == ids[1]
