"""Drawn regions analysed alone hold the nuclei that they hold in an analysis of the whole slide."""

import csv
import dataclasses
import json

import golden
import numpy as np
import pytest
import shapely

from nucwsi.config import PredictSettings, SegmentSettings, StitchSettings, TileSettings
from nucwsi.io.nuclei.parquet import iter_tables, read_facts
from nucwsi.io.regions.geojson import read_tissue
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.nuclei.table import NucleusTable
from nucwsi.phantom import Phantom
from nucwsi.steps.predict import predict
from nucwsi.steps.segment import segment
from nucwsi.steps.stitch import stitch
from nucwsi.steps.tile import tile


def write_regions(path, *shapes):
    features = [
        {"type": "Feature", "geometry": shapely.geometry.mapping(shape), "properties": {}}
        for shape in shapes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def table_of(path):
    table = NucleusTable.concatenated(list(iter_tables(path)))
    return table.take(np.argsort(table.id))


def assert_same_inside(part, whole, area):
    """Check that every column of every nucleus in the area is that of the whole slide."""
    inside = np.flatnonzero(shapely.intersects_xy(area, whole.column, whole.row))
    assert 10 < len(inside) < len(whole)
    expected = whole.take(inside)
    for field in dataclasses.fields(NucleusTable):
        one, other = getattr(part, field.name), getattr(expected, field.name)
        np.testing.assert_array_equal(one, other, err_msg=field.name)


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    return golden.write_phantom_slide(tmp_path_factory.mktemp("slide"))


@pytest.fixture(scope="module")
def whole(slide, tmp_path_factory):
    return golden.run(slide, tmp_path_factory.mktemp("whole"))


#: A rhombus and a rectangle across seams, in level-0 pixels.
REGIONS = (
    shapely.Polygon([(900, 300), (1400, 800), (900, 1300), (400, 800)]),
    shapely.box(1700.5, 100.25, 1990, 600),
)


@pytest.mark.parametrize("core_px", [256, 512])
def test_every_column_of_every_nucleus_in_the_regions(slide, whole, tmp_path, core_px, caplog):
    path = write_regions(tmp_path / "r.geojson", *REGIONS)
    golden.run(slide, tmp_path, core_px, regions=[path], only_regions=True)
    part, area = table_of(tmp_path / "nuclei.parquet"), shapely.union_all(REGIONS)
    assert_same_inside(part, table_of(whole / "nuclei.parquet"), area)
    facts = read_facts(tmp_path / "nuclei.parquet")
    [told] = [line for line in facts.warnings if "only the drawn regions are analysed" in line]
    assert told in caplog.text
    with (tmp_path / "composition.csv").open() as stream:
        row = next(csv.DictReader(stream))
    assert int(row["n_nuclei"]) == len(part)
    _, pieces = read_tissue(tmp_path / "tissue.geojson")
    every = shapely.union_all(read_tissue(whole / "tissue.geojson")[1])
    assert shapely.union_all(pieces).area == pytest.approx(every.intersection(area).area)
    assert float(row["tissue_area_mm2"]) == pytest.approx(every.intersection(area).area * 0.0625e-6)


def nuclei_of(slide, folder, regions=()):
    settings = TileSettings(core_px=256, only_regions=bool(regions))
    tiles, maps, part = (folder / name for name in ("t.zarr.zip", "m.zarr.zip", "p.parquet"))
    made = {"name": "s", "members": ("default",)}
    tile(slide, tiles, folder / "t.geojson", settings, regions=regions, **made)
    predict(tiles, maps, PredictSettings(device="cpu"), members=("default",))
    segment([maps], part, SegmentSettings())
    stitch([part], folder / "n.parquet", folder / "s.json", StitchSettings())
    return table_of(folder / "n.parquet")


def test_a_network_sees_as_much_around_the_regions_as_it_needs(tmp_path):
    slide, area = tmp_path / "s.tiff", shapely.box(350, 250, 700, 600)
    write_phantom(slide, Phantom((900, 1000), seed=5))
    (tmp_path / "whole").mkdir()
    path = write_regions(tmp_path / "r.geojson", area)
    part = nuclei_of(slide, tmp_path, [path])
    assert_same_inside(part, nuclei_of(slide, tmp_path / "whole"), area)


def test_clumps_that_go_on_beyond_the_regions_are_told(slide, tmp_path, monkeypatch, caplog):
    """Without a margin nuclei of the region are cut, and the warning counts them."""
    monkeypatch.setattr("nucwsi.steps.tile.area.REGION_MARGIN_UM", 0.0)
    monkeypatch.setattr("nucwsi.nuclei.within.REGION_MARGIN_UM", -1.0)
    path = write_regions(tmp_path / "r.geojson", REGIONS[0])
    golden.run(slide, tmp_path, regions=[path], only_regions=True)
    facts = read_facts(tmp_path / "nuclei.parquet")
    assert facts.n_cut > 0
    told = f"{facts.n_cut} nuclei in the drawn regions touch others that go on beyond what was"
    assert told in caplog.text
    assert facts.warnings[-1].startswith(told)
