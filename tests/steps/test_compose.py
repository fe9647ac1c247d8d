"""`compose` through the command line; its tables read by other programs."""

import csv
import itertools
import json
import time
from dataclasses import replace

import duckdb
import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
import shapely.affinity
from commands import refused, succeeded
from region_texts import aperio, region
from regions_made import DISC, LEFT, SHAPES, TOP, at, write_geojson
from stores import nucleus_facts
from tables_made import ORIGIN, nuclei_at, write_result, write_table

from nucwsi.classes import CONIC
from nucwsi.grid import Frame
from nucwsi.io.csv_table import read_csv
from nucwsi.io.nuclei.parquet import read_facts, write_nuclei
from nucwsi.io.regions.check import check_geojson
from nucwsi.io.regions.files import read_region_files
from nucwsi.io.regions.geojson import written_facts
from nucwsi.io.slides.slide import open_slide


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    nuclei, _, _ = write_result(folder)
    regions = write_geojson(folder / "drawn.geojson", SHAPES)
    tables = ("morphometry", "neighbours")
    succeeded(
        *("compose", nuclei, "--regions", regions, "-o", folder / "composition.csv"),
        *("--geojson", folder / "made.regions.geojson"),
        *(word for name in tables for word in (f"--{name}", folder / f"{name}.csv")),
    )
    return folder


def test_counts_equal_those_of_shapely_and_duckdb(made):
    """Counted anew from the outlines by geopandas; the table is read by DuckDB."""
    nuclei = geopandas.read_parquet(made / "nuclei.parquet")
    on_edge = shapely.distance(SHAPES["parts"].boundary, nuclei.geometry.centroid.to_numpy())
    assert (on_edge < 0.02).sum() > 10
    rows = {}
    for name, shape in SHAPES.items():
        left = shape - SHAPES["cut"]
        inside = nuclei[nuclei.geometry.centroid.intersects(left)]
        rows[name] = inside["class"].value_counts()
    rows["slide"] = nuclei[~nuclei.geometry.centroid.intersects(SHAPES["cut"])][
        "class"
    ].value_counts()
    counts = "+".join(f"n_{name}" for name in CONIC)
    found = duckdb.read_csv(str(made / "composition.csv")).project(f"*, {counts} as summed").df()
    assert (found["summed"] == found["n_nuclei"]).all()
    by_name = found.set_index("region_name")
    assert "cut" not in by_name.index
    assert by_name.loc["ring", "n_nuclei"] > 200
    for name in ("ring", "parts", "all", "glass"):
        for kind in CONIC:
            assert by_name.loc[name, f"n_{kind}"] == rows[name].get(kind, 0), (name, kind)
    assert by_name.loc["all", "n_nuclei"] == rows["slide"].sum()
    assert by_name.loc["parts", "region_id"] == "region_002"


def test_areas_densities_and_what_is_undefined(made):
    table = pd.read_csv(made / "composition.csv").set_index("region_name")
    um2 = 0.0625e-6
    for name in ("ring", "parts", "all", "glass"):
        left = SHAPES[name] - SHAPES["cut"]
        tissue = left & at(0, 0, 4800, 6000)
        assert table.loc[name, "area_mm2"] == pytest.approx(left.area * um2, rel=1e-6)
        assert table.loc[name, "tissue_area_mm2"] == pytest.approx(tissue.area * um2, rel=1e-6)
    ring, glass = table.loc["ring"], table.loc["glass"]
    assert ring["lymphocyte_per_mm2"] == pytest.approx(
        ring["n_lymphocyte"] / ring["tissue_area_mm2"], rel=1e-6
    )
    assert glass["n_nuclei"] > 0
    assert glass["tissue_area_mm2"] == 0
    assert np.isnan(glass["lymphocyte_per_mm2"]), "nuclei per no tissue are undefined, not inf"
    assert table.loc["slide", "n_dropped"] == 12
    assert table["n_dropped"].notna().sum() == 1
    shares = [f"frac_{name}" for name in CONIC]
    assert ring[shares].sum() == pytest.approx(1, abs=1e-6)


def test_the_columns_are_those_that_are_documented(made):
    with (made / "composition.csv").open() as stream:
        header = next(csv.reader(stream))
    assert header == [
        *("slide", "region_id", "region_name", "region_class", "region_source"),
        *("area_mm2", "tissue_area_mm2", "n_nuclei", *(f"n_{name}" for name in CONIC)),
        *("n_unclassified", *(f"frac_{name}" for name in CONIC)),
        *(f"{name}_per_mm2" for name in CONIC),
        *("neutrophil_lymphocyte_ratio", "lymphocyte_epithelial_ratio", "immune_fraction"),
        *(f"{name}_area_um2_median" for name in CONIC),
        *(f"{c}" for n in CONIC for c in (f"expected_{n}", f"{n}_low", f"{n}_high")),
        *("domain_distance", "out_of_domain"),
        *("n_dropped", "status", "mpp_x", "mpp_y", "pipeline_version", "model_id"),
    ]
    assert header[8:14] == [f"n_{name}" for name in CONIC]


def test_morphometry_equals_pandas(made):
    nuclei = geopandas.read_parquet(made / "nuclei.parquet")
    inside = nuclei[nuclei.geometry.centroid.intersects(SHAPES["ring"] - SHAPES["cut"])]
    table = pd.read_csv(made / "morphometry.csv")
    assert set(table["region_source"]) == {"slide", "user", "tissue"}, "not the grid"
    ring = table[table["region_name"] == "ring"]
    assert set(ring["class"]) == set(inside["class"])
    assert len(ring) == len(set(ring["class"])) * 7
    for row in ring.itertuples():
        values = inside[inside["class"] == row[6]][row.feature].astype(float)
        assert row.n == len(values)
        found = [row.mean, row.sd, row.p5, row.p25, row.p50, row.p75, row.p95]
        expected = [values.mean(), values.std(), *np.percentile(values, (5, 25, 50, 75, 95))]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_neighbours_equal_a_count_by_geopandas(made):
    nuclei = geopandas.read_parquet(made / "nuclei.parquet")
    middles = geopandas.GeoDataFrame(nuclei[["class"]], geometry=nuclei.geometry.centroid)
    inside = middles[middles.intersects(SHAPES["ring"] - SHAPES["cut"])]
    pairs = inside.sjoin(inside, predicate="dwithin", distance=80).reset_index()
    pairs = pairs[pairs["index"] < pairs["index_right"]]
    order = {name: number for number, name in enumerate(CONIC)}
    a, b = pairs["class_left"].map(order).astype(int), pairs["class_right"].map(order).astype(int)
    counts = pd.crosstab(np.minimum(a, b), np.maximum(a, b))
    table = pd.read_csv(made / "neighbours.csv")
    ring = table[table["region_name"] == "ring"]
    assert len(ring) == 21
    assert set(ring["radius_um"]) == {20}
    for row in ring.itertuples():
        one, other = order[row.class_a], order[row.class_b]
        expected = counts.get(other, {}).get(one, 0)
        assert row.n_pairs == expected
    assert ring["n_pairs"].sum() == len(pairs) > 50
    assert ring["expected"].sum() == pytest.approx(len(pairs))
    assert ring["z"].abs().max() < 5, "classes were dealt at random"


def test_what_is_written_for_qupath_comes_back_the_same(made, tmp_path):
    """Out, in, and out again: the same outlines, names and ids, with an origin of bounds."""
    first = made / "made.regions.geojson"
    assert check_geojson(first).n_faults == 0
    back = {region.name: region for region in read_region_files([first], ORIGIN)}
    assert {"slide", "ring", "parts", "all", "glass", "tissue_001"} == set(back)
    assert shapely.equals(back["parts"].geometry, SHAPES["parts"])
    assert shapely.equals(back["slide"].geometry, at(0, 0, 8000, 6000) - SHAPES["cut"])
    written = [first, tmp_path / "second.geojson", tmp_path / "third.geojson"]
    for source, target in itertools.pairwise(written):
        words = ("--no-pieces", "--grid-um", 0, "--geojson", target, "-o", tmp_path / "c.csv")
        succeeded("compose", made / "nuclei.parquet", "--regions", source, *words)
    before, after, again = (
        {f["properties"]["name"]: f for f in json.loads(path.read_text())["features"]}
        for path in written
    )
    assert set(before) == set(after)
    for name in set(before) - {"slide"}:
        same = [{**f, "properties": None} for f in (before[name], after[name])]
        assert same[0] == same[1]
        # The first areas are those of outlines that were not rounded yet.
        assert after[name] == again[name]
    assert before["slide"]["geometry"] == after["slide"]["geometry"]


def test_round_trip_on_a_slide_with_bounds(shared, tmp_path):
    """The frame of a real slide: its bounds begin 900 rows down and 1500 columns to the right."""
    with open_slide(shared / "slides" / "hard" / "two_regions_bounds.scn") as slide:
        origin = (float(slide.bounds.row), float(slide.bounds.column))
    assert origin == (900, 1500)
    nuclei, _, _ = write_result(tmp_path, origin=origin)
    ring = shapely.Point(3000, 3000).buffer(1500) - shapely.Point(3000, 3000).buffer(700)
    feature = {"type": "Feature", "geometry": shapely.geometry.mapping(ring), "properties": {}}
    sources = [tmp_path / f"{n}.geojson" for n in range(3)]
    sources[0].write_text(json.dumps([feature]))
    for source, target in itertools.pairwise(sources):
        words = ("--no-pieces", "--grid-um", 0, "--geojson", target, "-o", tmp_path / "c.csv")
        succeeded("compose", nuclei, "--regions", source, *words)
    outlines = [json.loads(path.read_text())["features"][1]["geometry"] for path in sources[1:]]
    rounded = np.round(shapely.get_coordinates(ring), 2)
    np.testing.assert_array_equal(
        shapely.get_coordinates(shapely.geometry.shape(outlines[0])), rounded
    )
    assert outlines[1] in [f["geometry"] for f in json.loads(sources[2].read_text())["features"]]
    table = pd.read_csv(tmp_path / "c.csv").set_index("region_name")
    middles = geopandas.read_parquet(nuclei).geometry.centroid
    moved = shapely.affinity.translate(shapely.geometry.shape(outlines[0]), 1500, 900)
    assert table.loc["region_001", "n_nuclei"] == middles.intersects(moved).sum() > 100


@pytest.mark.parametrize("mpp_x", [0.25375, 0.5], ids=["1.5 % wider", "twice as wide"])
def test_width_and_height_of_a_pixel_are_not_mistaken_for_each_other(tmp_path, mpp_x):
    """Densities, squares of the grid and neighbours by hand, where pixels are 0.25 µm high."""
    frame = Frame((3000, 4000), 0.5, (0.25, mpp_x), (0.0, 0.0), (14000, 18000))
    # 80 px are 20 µm downwards (epithelial, plasma) and 20.3 or 40 µm across (neutrophil).
    centres = np.array([(100, 100), (100, 180), (900, 900), (980, 900)], float)
    probabilities = np.eye(6)[[1, 3, 0, 0]]
    slide = shapely.box(0, 0, 2000 / mpp_x, 1500 / 0.25)
    table = nuclei_at(centres, CONIC, probabilities)
    nuclei, _ = write_table(tmp_path, table, nucleus_facts(frame, 512, CONIC, contrasts=2), [slide])
    composition, neighbours = tmp_path / "composition.csv", tmp_path / "neighbours.csv"
    succeeded(
        *("compose", nuclei, "-o", composition, "--no-pieces", "--grid-um", 505),
        *("--neighbours", neighbours, "--neighbours-um", 20.1),
    )
    rows = pd.read_csv(composition).set_index("region_id")
    whole = rows.loc["slide"]
    assert (whole["mpp_x"], whole["mpp_y"]) == (mpp_x, 0.25)
    # 2 mm x 1.5 mm, four nuclei, two of which are neutrophils.
    assert whole["tissue_area_mm2"] == pytest.approx(3, rel=1e-6)
    assert whole["neutrophil_per_mm2"] == pytest.approx(2 / 3, rel=1e-6)
    # Squares of 505 µm: 1500 µm hold three from top to bottom, 2000 µm four from left to right.
    squares = {f"grid_r{row:03d}_c{column:03d}" for row in (1, 2, 3) for column in (1, 2, 3, 4)}
    assert set(rows.index) - {"slide"} == squares
    assert rows.loc["grid_r001_c001", "area_mm2"] == pytest.approx(0.505**2, rel=1e-6)
    pairs = pd.read_csv(neighbours).set_index(["class_a", "class_b"])["n_pairs"]
    assert pairs["epithelial", "plasma"] == 1
    assert pairs["neutrophil", "neutrophil"] == 0
    assert pairs.sum() == 1


def test_the_checkpoints_error_of_counts_reaches_the_table(made):
    """The first two classes of `tables_made` have one, of a quarter of all nuclei."""
    with (made / "composition.csv").open(newline="") as stream:
        row = next(csv.DictReader(stream))
    names = [key.removeprefix("frac_") for key in row if key.startswith("frac_")]
    wide = 1.96 * 0.25 * int(row["n_nuclei"])
    above = [float(row[f"{name}_high"]) - float(row[f"expected_{name}"]) for name in names]
    assert min(above[:2]) >= wide > max(above[2:])


def test_members_that_disagree_widen_the_interval(made):
    """The last class of `tables_made` has a contrast of 0.05 a nucleus, the others noise."""
    with (made / "composition.csv").open(newline="") as stream:
        row = next(csv.DictReader(stream))
    names = [key.removeprefix("frac_") for key in row if key.startswith("frac_")]
    wide = 1.96 * 0.05 * int(row["n_nuclei"])
    above = [float(row[f"{name}_high"]) - float(row[f"expected_{name}"]) for name in names[2:]]
    assert above[-1] >= wide > 2 * max(above[:-1])


def test_a_grid_of_far_too_many_squares_is_refused(made, tmp_path):
    line = refused(
        *("compose", made / "nuclei.parquet", "-o", tmp_path / "o.csv", "--grid-um", 0.5), code=2
    )
    assert "`grid_um` 0.5 µm cuts the slide into" in line


def test_outputs_that_are_not_asked_for_are_absent(made, tmp_path):
    succeeded("compose", made / "nuclei.parquet", "-o", tmp_path / "c.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["c.csv"]
    off = ("--neighbours", tmp_path / "n.csv", "--neighbours-um", 0)
    line = refused("compose", made / "nuclei.parquet", "-o", tmp_path / "d.csv", *off, code=2)
    assert "needs `neighbours_um` above 0" in line
    assert [path.name for path in tmp_path.iterdir()] == ["c.csv"]


def test_regions_of_another_slide_are_refused(made, tmp_path):
    far = write_geojson(tmp_path / "far.geojson", {"near": DISC, "lost": at(9000, 0, 9100, 100)})
    line = refused("compose", made / "nuclei.parquet", "--regions", far, "-o", tmp_path / "c.csv")
    assert f"{far}: lost (region_002) lies outside the slide, which has 8000 x 6000 px" in line
    assert [path.name for path in tmp_path.iterdir()] == ["far.geojson"]


def test_a_region_that_reaches_beyond_the_slide_is_counted_with_a_warning(made, tmp_path, caplog):
    """DISC lies inside, one box lies half outside, one reaches over the edge by 4 % only."""
    shapes = {"disc": DISC, "half": at(7900, 0, 8100, 100), "edge": at(7904, 100, 8004, 200)}
    drawn = write_geojson(tmp_path / "r.geojson", shapes)
    words = ("--regions", drawn, "-o", tmp_path / "c.csv", "--geojson", tmp_path / "out.geojson")
    succeeded("compose", made / "nuclei.parquet", *words)
    [warning] = written_facts(tmp_path / "out.geojson")["region_warnings"]
    assert warning.startswith("half (region_002): 50 % of its area lies outside the slide, which")
    assert warning in caplog.text
    assert not {"disc", "edge"} & set(caplog.text.split())
    many = {f"r{n}": at(7900, 100 * n, 8100, 100 * n + 90) for n in range(13)}
    words = ("--regions", write_geojson(drawn, many), *words[2:])
    succeeded("compose", made / "nuclei.parquet", *words)
    lines = written_facts(tmp_path / "out.geojson")["region_warnings"]
    assert len(lines) == 11
    assert lines[-1] == "3 more regions lie partly outside the slide"
    write_geojson(drawn, {"disc": DISC})
    succeeded("compose", made / "nuclei.parquet", *words)
    assert "region_warnings" not in written_facts(tmp_path / "out.geojson")


def test_regions_of_halo_are_counted_with_a_warning_where_the_slide_has_bounds(made, tmp_path):
    (tmp_path / "r.annotations").write_text(
        aperio(region([(LEFT, TOP), (9000, TOP), (9000, 9000)]))
    )
    words = ("--regions", tmp_path / "r.annotations", "--geojson", tmp_path / "out.geojson")
    succeeded("compose", made / "nuclei.parquet", *words, "-o", tmp_path / "c.csv")
    warnings = written_facts(tmp_path / "out.geojson")["region_warnings"]
    assert any("HALO does not say" in warning for warning in warnings)


def test_hostile_names_arrive_in_every_table_and_break_none(made, tmp_path):
    names = ["a/b", 'q"uo,te', "<script>alert(1)</script>", "=1+1", "🔬", "it's; ' or 1=1 --"]
    drawn = write_geojson(tmp_path / "r.geojson", dict.fromkeys(names, DISC))
    paths = [tmp_path / f"{name}.csv" for name in ("composition", "morphometry", "neighbours")]
    succeeded(
        *("compose", made / "nuclei.parquet", "--regions", drawn, "-o", paths[0]),
        *("--morphometry", paths[1], "--neighbours", paths[2]),
        *("--geojson", tmp_path / "out.geojson"),
    )
    for path in paths:
        table = pd.read_csv(path, encoding="utf-8")
        found = {row["region_name"] for row in read_csv(path) if row["region_source"] == "user"}
        assert found == set(names)
        assert not table["region_name"].str.startswith(("=", "+", "-", "@")).any()
        assert len(duckdb.read_csv(str(path)).df()) == len(table)
    assert check_geojson(tmp_path / "out.geojson").n_faults == 0


def test_5000_regions(made, tmp_path):
    rng = np.random.default_rng(2)
    corners = rng.uniform((0, 0), (7900, 5900), (5000, 2))
    shapes = {f"r{n}": at(x, y, x + 100, y + 100) for n, (x, y) in enumerate(corners.tolist())}
    drawn = write_geojson(tmp_path / "many.geojson", shapes)
    start = time.process_time()
    succeeded(
        *("compose", made / "nuclei.parquet", "--regions", drawn, "-o", tmp_path / "c.csv"),
        *("--morphometry", tmp_path / "m.csv", "--neighbours", tmp_path / "n.csv"),
        *("--geojson", tmp_path / "out.geojson", "--grid-um", 0),
    )
    assert time.process_time() - start < 20
    table = pd.read_csv(tmp_path / "c.csv")
    assert len(table) == 5002
    points = pd.read_parquet(made / "nuclei.parquet", columns=["row", "column"]).to_numpy()
    for index in (2, 1700, 5000):
        low = corners[index - 1] + [LEFT, TOP]
        inside = ((points[:, ::-1] >= low) & (points[:, ::-1] <= low + 100)).all(axis=1)
        assert table["n_nuclei"][index] == inside.sum()


@pytest.mark.parametrize(("n", "only"), [(0, None), (1, None), (400, 3)])
def test_no_nuclei_one_nucleus_one_class(tmp_path, n, only):
    nuclei, _, _ = write_result(tmp_path, n, only=only)
    drawn = write_geojson(tmp_path / "r.geojson", {"all": at(0, 0, 8000, 6000)})
    paths = [tmp_path / f"{name}.csv" for name in ("composition", "morphometry", "neighbours")]
    succeeded(
        *("compose", nuclei, "--regions", drawn, "-o", paths[0], "--morphometry", paths[1]),
        *("--neighbours", paths[2], "--geojson", tmp_path / "out.geojson"),
    )
    tables = [pd.read_csv(path) for path in paths]
    rows = tables[0].set_index("region_name")
    assert rows.loc["all", "n_nuclei"] == rows.loc["slide", "n_nuclei"] == n
    assert "inf" not in paths[0].read_text()
    assert len(tables[1]) >= 7 * (n > 0)
    assert len(tables[2]) == 21 * 3, "no pairs are an answer, too"
    assert check_geojson(tmp_path / "out.geojson").n_faults == 0
    if only is not None:
        row = rows.loc["all"]
        assert row["n_plasma"] == row["plasma_low"] == row["plasma_high"] == 400
        assert tables[2]["z"].isna().all(), "nothing is left to chance"
    if n == 0:
        assert rows["frac_plasma"].isna().all()


def test_a_slide_that_looks_like_none_is_told_everywhere_and_has_wider_intervals(tmp_path, caplog):
    tables, told = {}, {}
    for name, limit in (("inside", 3.0), ("outside", 0.1)):
        nuclei, tissue, table = write_result(tmp_path / name, classes=("a", "b", "c"), name="odd")
        facts = read_facts(nuclei)
        changed = facts.with_(domain=replace(facts.domain, limit=limit), count_error={})
        write_nuclei(nuclei, [table], changed, 50)
        regions = tmp_path / f"{name}.geojson"
        caplog.clear()
        words = ("-o", tmp_path / f"{name}.csv", "--geojson", regions, "--grid-um", 0)
        succeeded("compose", nuclei, "--tissue", tissue, *words)
        tables[name] = pd.read_csv(tmp_path / f"{name}.csv").set_index("region_id")
        told[name] = written_facts(regions).get("domain_warning")
        assert ("odd: out of domain" in caplog.text) == (name == "outside")
    inside, outside = (tables[name].loc["slide"] for name in ("inside", "outside"))
    assert (inside["out_of_domain"], outside["out_of_domain"]) == ("no", "yes")
    assert outside["domain_distance"] == pytest.approx(30 * inside["domain_distance"])
    assert told["inside"] is None
    assert "above all in certainty" in told["outside"]
    factor = outside["domain_distance"]
    width = [one["b_high"] - one["b_low"] for one in (inside, outside)]
    assert 1.2 < width[1] / width[0] < factor
    assert outside["expected_b"] == inside["expected_b"]
