"""Nuclei of other programs go the way of ours, and are marked as theirs."""

import json
import re
import zipfile

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from commands import refused, succeeded
from foreign_made import cellvit, hovernet, qupath_cells

from nucwsi.io.nuclei.parquet import read_facts
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

PHANTOM = Phantom((1600, 2100), seed=5)


@pytest.fixture(scope="module")
def truth():
    nuclei = list(PHANTOM.nuclei())
    shapes = np.array([PHANTOM.polygon(nucleus) for nucleus in nuclei])
    kept = [n for n, shape in enumerate(shapes) if shape.geom_type == "Polygon" and shape.area > 9]
    return shapes[kept], [nuclei[n].class_name for n in kept]


@pytest.fixture(scope="module")
def taken_in(truth, small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "small"
    folder.mkdir()
    qupath_cells(folder / "cells.geojson", *truth)
    succeeded(
        *("import", folder / "cells.geojson", "--slide", small_slide),
        *("-o", folder / "nuclei.parquet", "--name", "small"),
    )
    return folder


def test_every_nucleus_is_there_with_its_class_and_outline(taken_in, truth):
    folder = taken_in
    shapes, names = truth
    table = geopandas.read_parquet(folder / "nuclei.parquet")
    assert len(table) == len(shapes)
    assert table["class"].astype(str).value_counts().to_dict() == (
        pd.Series(names).value_counts().to_dict()
    )
    area = np.sort(table["area_um2"].to_numpy())
    np.testing.assert_allclose(area, np.sort(shapely.area(shapes)) / 16, rtol=2e-3, atol=0.05)
    assert (table["np_mean"] == np.float32(0.875)).all()
    facts = read_facts(folder / "nuclei.parquet")
    assert not facts.exact
    assert facts.members[0].name == "imported: cells.geojson"
    assert any("another program (GeoJSON: cells.geojson)" in line for line in facts.warnings)


def test_a_second_import_is_equal_to_the_byte(taken_in, small_slide, tmp_path):
    folder = taken_in
    again = tmp_path / "nuclei.parquet"
    succeeded(
        *("import", folder / "cells.geojson", "--slide", small_slide, "-o", again),
        *("--name", "small"),
    )
    assert again.read_bytes() == (folder / "nuclei.parquet").read_bytes()
    names = {"nuclei.parquet", "tissue.geojson", "seams.json"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_they_are_counted_and_exported_as_ours(taken_in, truth, small_slide):
    folder = taken_in
    nuclei = folder / "nuclei.parquet"
    succeeded(
        *("compose", nuclei, "-o", folder / "composition.csv", "--grid-um", 0, "--tissue"),
        *(folder / "tissue.geojson", "--geojson", folder / "regions.geojson"),
    )
    counted = pd.read_csv(folder / "composition.csv")
    assert counted["n_nuclei"][0] == len(truth[0])
    succeeded("export", nuclei, "-o", folder / "a.zip")
    with zipfile.ZipFile(folder / "a.zip") as archive:
        [name] = archive.namelist()
        assert len(json.loads(archive.read(name))["features"]) == len(truth[0])


def test_coordinates_of_a_coarser_copy_are_brought_to_level_0(truth, tmp_path):
    slide = tmp_path / "a.tiff"
    write_phantom(slide, Phantom((600, 800), seed=3))
    [shape] = [shapely.Point(200, 150).buffer(20)]
    half = shapely.transform(shape, lambda xy: xy / 2)
    hovernet(tmp_path / "mag.json", [half], [1], mag=20)
    cellvit(tmp_path / "asked.json", [half], [1])
    labels = np.zeros((300, 400), np.int32)
    labels[65:85, 90:110] = 1
    np.save(tmp_path / "l.npy", labels)
    for name, more in (("mag.json", ()), ("asked.json", ("--nuclei-mpp", 0.5)), ("l.npy", ())):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        out = folder / "nuclei.parquet"
        succeeded(
            *(
                "import",
                tmp_path / name,
                "--slide",
                slide,
                "-o",
                out,
                *more,
                "--classes",
                "1=tumour",
            )
        )
        named = "without class" if name == "l.npy" else "tumour"
        assert read_facts(out).classes == (named,)
        table = geopandas.read_parquet(out)
        centre = table.geometry.centroid.iloc[0]
        assert (centre.x, centre.y) == pytest.approx((200, 150), abs=1.5)
    np.save(tmp_path / "l.npy", labels[:, :200])
    line = refused("import", tmp_path / "l.npy", "--slide", slide, "-o", tmp_path / "x.parquet")
    assert "300 x 200 px, but the slide 600 x 800; expected the same proportions" in line


def test_magnified_coordinates_do_not_drift_where_the_mpp_is_not_round(tmp_path):
    """HoVer-Net's pixels at 40 are those of level 0, though 0.2527 µm is not 10 / 40."""
    slide = tmp_path / "a.tiff"
    write_phantom(slide, Phantom((600, 4000), mpp=0.2527, seed=3))
    far = shapely.Point(3800, 300).buffer(20)
    hovernet(tmp_path / "a.json", [far], [1], mag=40)
    out = tmp_path / "nuclei.parquet"
    succeeded("import", tmp_path / "a.json", "--slide", slide, "-o", out)
    centre = geopandas.read_parquet(out).geometry.centroid.iloc[0]
    assert (centre.x, centre.y) == pytest.approx((3800, 300), abs=1.5)


def test_a_nucleus_that_is_there_twice_counts_once(truth, small_slide, tmp_path):
    """As when two exports of one slide are joined."""
    shapes, names = truth
    qupath_cells(tmp_path / "a.geojson", [*shapes, *shapes[::-1][:9]], [*names, *names[::-1][:9]])
    out = tmp_path / "nuclei.parquet"
    succeeded("import", tmp_path / "a.geojson", "--slide", small_slide, "-o", out)
    assert len(geopandas.read_parquet(out)) == len(shapes)
    told = "9 imported nuclei have the outline of another one and are left out"
    assert told in read_facts(out).warnings


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        (lambda at: f"class {at}", (), "its .* classes cannot be taken over: .*at most 100 items"),
        (lambda at: "x" * 101, (), "its 1 classes cannot be .*: `0`: .*at most 100 characters"),
        (lambda at: ("Tumor", "tumor")[at % 2], (), "its 2 classes .* each its own; rename them"),
        (lambda at: "Tumor", ("--classes", "1=a"), "the classes 1 are named, but it has Tumor"),
    ],
)
def test_classes_that_no_table_can_hold_are_refused(
    truth, small_slide, tmp_path, name, words, said
):
    shapes = truth[0][:150]
    qupath_cells(tmp_path / "a.geojson", shapes, [name(at) for at in range(len(shapes))])
    out = tmp_path / "out" / "nuclei.parquet"
    out.parent.mkdir()
    line = refused("import", tmp_path / "a.geojson", "--slide", small_slide, "-o", out, *words)
    assert re.search(rf"a\.geojson: {said}", line), line
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize("odd", [1e300, -6.8e201, float("nan"), float("-inf")])
def test_coordinates_that_cannot_be_on_a_slide_are_named(small_slide, tmp_path, odd):
    """Damage at random (seed 4, case 150; seed 3, case 159): they ended in warnings of numpy."""
    shapes = [shapely.Point(900 + 30 * n, 900).buffer(8) for n in range(4)]
    points = shapely.get_coordinates(shapes[2])
    points[3, 0] = odd
    shapes[2] = shapely.set_coordinates(shapes[2], points)
    geopandas.GeoDataFrame(geometry=shapes).to_parquet(tmp_path / "a.parquet")
    out = tmp_path / "out.parquet"
    line = refused("import", tmp_path / "a.parquet", "--slide", small_slide, "-o", out)
    assert "a.parquet: nucleus 3 has coordinates that cannot be on a slide" in line
    assert not out.exists()


def test_nuclei_of_another_slide_are_refused_and_leave_nothing(small_slide, tmp_path):
    far = [shapely.Point(9000 + 30 * n, 9000).buffer(8) for n in range(5)]
    cellvit(tmp_path / "a.json", far, [1] * 5)
    out = tmp_path / "out" / "nuclei.parquet"
    out.parent.mkdir()
    line = refused("import", tmp_path / "a.json", "--slide", small_slide, "-o", out)
    assert "5 of 5 nuclei lie off the slide of 1600 x 2100 px" in line
    assert not list(out.parent.iterdir())
    line = refused(
        *("import", tmp_path / "a.json", "--slide", small_slide, "-o", out, "--classes", "tumour"),
        code=2,
    )
    assert "--classes: 'tumour', expected a number and a name" in line
