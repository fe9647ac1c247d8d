"""The tables from Python are those of the command line."""

import re
import subprocess
import sys

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from commands import succeeded
from conftest import ROOT
from regions_made import SHAPES, write_geojson
from tables_made import ORIGIN, write_result

import nucwsi
from nucwsi.errors import ConfigError, RegionError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    unions = {"inflammatory": ("lymphocyte", "plasma")}
    nuclei, _, _ = write_result(folder, unions=unions)
    drawn = write_geojson(folder / "drawn.geojson", SHAPES)
    tables = ("composition", "morphometry", "neighbours")
    paths = {name: folder / f"{name}.csv" for name in tables}
    succeeded(
        *("compose", nuclei, "--regions", drawn, "-o", paths["composition"], "--grid-um", 0),
        *("--morphometry", paths["morphometry"], "--neighbours", paths["neighbours"]),
    )
    read = {name: pd.read_csv(path) for name, path in paths.items()}
    return folder, {n: t[t["region_source"] == "user"] for n, t in read.items()}


def regions_of(shapes):
    return geopandas.GeoDataFrame({"name": list(shapes)}, geometry=list(shapes.values()))


def test_all_three_tables_equal_those_of_the_command_line(made):
    folder, expected = made
    nuclei = geopandas.read_parquet(folder / "nuclei.parquet")
    regions = nucwsi.read_regions(folder / "drawn.geojson", folder / "nuclei.parquet")
    assert regions["region_class"].tolist() == ["", "", "", "", "Ignore*"]
    top, left = ORIGIN
    tissue = geopandas.GeoDataFrame(geometry=[shapely.box(left, top, left + 4800, top + 6000)])
    tables = nucwsi.compose(nuclei, regions, tissue=tissue)
    for name, table in tables._asdict().items():
        wanted = expected[name].drop(columns="slide").reset_index(drop=True)
        wanted["region_class"] = wanted["region_class"].fillna("")
        shared = wanted[[column for column in wanted if column in table]]
        assert set(wanted) - set(table) <= {
            *("n_dropped", "status", "mpp_x", "mpp_y", "pipeline_version", "model_id")
        }
        pd.testing.assert_frame_equal(
            table[shared.columns], shared, check_dtype=False, rtol=1e-5, atol=1e-7
        )


def test_regions_as_geopandas_reads_them(made, tmp_path):
    """With QuPath's classes as text, and a reference system that means nothing here."""
    folder, expected = made
    write_result(tmp_path, origin=(0.0, 0.0))
    nuclei = geopandas.read_parquet(tmp_path / "nuclei.parquet")
    read = geopandas.read_file(folder / "drawn.geojson")
    assert read.crs is not None
    table = nucwsi.compose(nuclei, read, mpp=0.25).composition
    assert table["region_name"].tolist() == expected["composition"]["region_name"].tolist()
    counts = [name for name in table if name.startswith("n_")]
    there = expected["composition"][counts].sum()
    # The outlines were rounded elsewhere, so a nucleus on an edge may change sides.
    np.testing.assert_allclose(table[counts].sum(), there, atol=10)


def test_without_tissue_a_region_is_all_tissue(made):
    folder, _ = made
    nuclei = geopandas.read_parquet(folder / "nuclei.parquet")
    table = nucwsi.compose(nuclei, regions_of({"ring": SHAPES["ring"]})).composition
    assert table["tissue_area_mm2"][0] == pytest.approx(table["area_mm2"][0])
    assert table["area_mm2"][0] == pytest.approx(SHAPES["ring"].area * 0.0625e-6, rel=1e-5)


def test_nuclei_of_anywhere(made):
    """Only outlines and classes, some of them missing: no probabilities, no measures."""
    shapes = [shapely.Point(x, 10).buffer(3) for x in (10, 20, 30, 90)]
    nuclei = geopandas.GeoDataFrame({"class": ["b", "a", None, "a"]}, geometry=shapes)
    regions = regions_of({"left": shapely.box(0, 0, 50, 50), "none": shapely.box(200, 0, 300, 9)})
    with pytest.raises(ConfigError, match="`mpp` is not known from `nuclei`"):
        nucwsi.compose(nuclei, regions)
    tables = nucwsi.compose(nuclei, regions, mpp=(0.5, 0.25), neighbours_um=5)
    left = tables.composition.iloc[0]
    found = left[["n_nuclei", "n_a", "n_b", "n_unclassified"]]
    assert found.tolist() == [3, 1, 1, 1]
    assert (left["a_low"], left["a_high"], left["expected_b"]) == (1, 1, 1)
    assert left["area_mm2"] == pytest.approx(50 * 50 * 0.125e-6)
    assert np.isnan(left["a_area_um2_median"])
    assert tables.morphometry.empty
    pairs = tables.neighbours.set_index(["region_name", "class_a", "class_b"])["n_pairs"]
    assert pairs["left"].to_dict() == {("a", "a"): 0, ("a", "b"): 1, ("b", "b"): 0}
    assert nucwsi.compose(nuclei, regions, mpp=0.5, neighbours_um=0).neighbours.empty


@pytest.mark.parametrize("mpp_x", [0.25375, 0.5], ids=["1.5 % wider", "twice as wide"])
def test_width_and_height_of_a_pixel_are_not_mistaken_for_each_other(mpp_x):
    """Pixels are 0.25 µm high; 80 of them are 20 µm downwards, and 20.3 or 40 µm across."""
    nuclei = geopandas.GeoDataFrame(
        {"class": ["down", "down", "across", "across"]},
        geometry=shapely.points([(50, 50), (50, 130), (500, 500), (580, 500)]),
    )
    nuclei.geometry = nuclei.geometry.buffer(4)
    regions = regions_of({"all": shapely.box(0, 0, 1000, 2000)})
    tables = nucwsi.compose(nuclei, regions, mpp=(mpp_x, 0.25), neighbours_um=20.1)
    [row] = tables.composition.to_dict("records")
    assert row["area_mm2"] == pytest.approx(1000 * mpp_x * 2000 * 0.25 * 1e-6)
    assert row["down_per_mm2"] == pytest.approx(2 / row["area_mm2"])
    pairs = tables.neighbours.set_index(["class_a", "class_b"])["n_pairs"]
    assert pairs.to_dict() == {("across", "across"): 0, ("across", "down"): 0, ("down", "down"): 1}


@pytest.mark.parametrize("mpp", [0, -0.25, np.nan, (0.25, 0.0), (0.25, 0.25, 0.25)])
def test_a_size_of_pixels_that_cannot_be_is_refused(mpp):
    nuclei = geopandas.GeoDataFrame({"class": ["a"]}, geometry=[shapely.box(0, 0, 9, 9)])
    regions = regions_of({"all": shapely.box(0, 0, 50, 50)})
    with pytest.raises(ConfigError, match=r"`mpp` is .*, expected one number above 0 or two"):
        nucwsi.compose(nuclei, regions, mpp=mpp)


def test_the_size_of_pixels_is_derived_from_the_nuclei_whose_area_is_known():
    """Two outlines of 100 px² each; of one it is known that they are 25 µm²."""
    nuclei = geopandas.GeoDataFrame(
        {"class": ["a", "a"], "area_um2": [25.0, np.nan]},
        geometry=[shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10)],
    )
    table = nucwsi.compose(nuclei, regions_of({"all": shapely.box(0, 0, 100, 100)})).composition
    assert table["area_mm2"].tolist() == [pytest.approx(1e4 * 0.25e-6)]
    assert table["a_area_um2_median"].tolist() == [25]


def test_a_nucleus_without_probabilities_is_refused_before_it_spoils_its_region():
    nuclei = geopandas.GeoDataFrame(
        {"class": ["a", "b"], "p_a": [0.8, np.nan], "p_b": [0.2, np.nan]},
        index=["first", "second"],
        geometry=[shapely.Point(x, 10).buffer(3) for x in (10, 20)],
    )
    regions = regions_of({"all": shapely.box(0, 0, 50, 50)})
    with pytest.raises(ConfigError, match=r"1 rows with a number .*, the first at 'second': `p_a`"):
        nucwsi.compose(nuclei, regions, mpp=0.5)
    table = nucwsi.compose(nuclei.dropna(subset=["p_a", "p_b"]), regions, mpp=0.5).composition
    assert table[["n_a", "expected_a", "a_low", "a_high"]].iloc[0].tolist() == [
        *(1, pytest.approx(0.8), 0, 1)
    ]


def test_nuclei_without_any_class():
    nuclei = geopandas.GeoDataFrame({"class": [None, None]}, geometry=[SHAPES["ring"]] * 2)
    table = nucwsi.compose(nuclei, regions_of({"a": shapely.box(-9e6, -9e6, 9e6, 9e6)}), mpp=0.25)
    assert table.composition[["n_nuclei", "n_unclassified"]].to_numpy().tolist() == [[2, 2]]


def test_nothing_at_all(made):
    folder, _ = made
    nuclei = geopandas.read_parquet(folder / "nuclei.parquet")
    none = nucwsi.compose(nuclei.iloc[:0], regions_of({"a": SHAPES["ring"]}), mpp=0.25)
    assert none.composition["n_nuclei"].tolist() == [0]
    assert nucwsi.compose(nuclei, regions_of({})).composition.empty


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (shapely.Point(1, 1), r"bad \(region_001\) is a Point, expected an area"),
        (None, "is missing, expected an area"),
        (shapely.Polygon([(0, 0), (9, 9), (9, 0), (0, 9)]), "is invalid: Self-intersection"),
    ],
)
def test_what_is_no_region(made, shape, message):
    folder, _ = made
    nuclei = geopandas.read_parquet(folder / "nuclei.parquet")
    with pytest.raises(RegionError, match=message):
        nucwsi.compose(nuclei, regions_of({"bad": shape}))


def test_an_outline_that_is_missing_moves_no_other(made):
    shapes = [None, *(shapely.Point(x, 10).buffer(3) for x in (10, 20))]
    nuclei = geopandas.GeoDataFrame({"class": ["a", "b", "a"]}, geometry=shapes)
    regions = regions_of({"left": shapely.box(0, 0, 15, 50)})
    with pytest.raises(ConfigError, match="1 rows without an outline, the first at 0"):
        nucwsi.compose(nuclei, regions, mpp=0.5)
    table = nucwsi.compose(nuclei.iloc[1:], regions, mpp=0.5).composition
    assert table[["n_a", "n_b"]].iloc[0].tolist() == [0, 1]


def test_a_p_value_is_no_class():
    nuclei = geopandas.GeoDataFrame(
        {"class": ["a", "b"], "p_value": [0.1, 0.2]},
        geometry=[shapely.Point(x, 10).buffer(3) for x in (10, 20)],
    )
    table = nucwsi.compose(nuclei, regions_of({"all": shapely.box(0, 0, 50, 50)}), mpp=0.5)
    assert table.composition[["n_a", "n_b", "n_unclassified"]].iloc[0].tolist() == [1, 1, 0]


def test_a_column_that_is_missing():
    empty = geopandas.GeoDataFrame(geometry=[])
    with pytest.raises(ConfigError, match="has no column `class`"):
        nucwsi.compose(empty, empty)


def test_the_package_offers_what_the_documentation_uses():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    blocks = [
        block
        for page in pages
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
    used = {
        name for block in blocks for name in re.findall(r"(?<!from )\bnucwsi\.([a-z]\w*)", block)
    }
    assert used == set(nucwsi.__all__) - {"RESULT_VERSION", "__version__"}
    assert all(callable(getattr(nucwsi, name)) for name in used)


def test_a_name_that_is_not_offered_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'decompose'"):
        nucwsi.decompose  # noqa: B018


def test_names_load_what_they_need_when_they_are_asked_for():
    code = (
        "import nucwsi, sys; before = 'geopandas' in sys.modules; from nucwsi import compose;"
        "print(before, 'geopandas' in sys.modules, 'torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False True False\n"
