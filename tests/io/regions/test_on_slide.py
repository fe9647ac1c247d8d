"""Regions of another slide are refused before anything is made of them."""

import json

import pytest
import shapely

from nucwsi.errors import RegionError
from nucwsi.grid import Frame
from nucwsi.io.regions.on_slide import regions_of_slide, slide_bounds, slide_size

FRAME = Frame((100, 200), 0.5, (0.25, 0.25), (10.0, 20.0), (500, 600))


def write(path, *boxes):
    shapes = [shapely.geometry.mapping(shapely.box(*box)) for box in boxes]
    features = [{"type": "Feature", "geometry": shape, "properties": {}} for shape in shapes]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_bounds_are_what_the_canvas_covers():
    assert slide_bounds(FRAME) == (20, 10, 420, 210)
    assert slide_size(FRAME) == "400 x 200 px"


def test_regions_count_from_the_corner_of_the_bounds(tmp_path):
    [region] = regions_of_slide([write(tmp_path / "r.geojson", (0, 0, 50, 60))], FRAME)
    assert region.geometry.bounds == (20, 10, 70, 70)


def test_a_region_outside_of_the_slide_is_refused(tmp_path):
    path = write(tmp_path / "r.geojson", (0, 0, 50, 60), (900, 900, 950, 950))
    with pytest.raises(
        RegionError, match=r"region_002 \(region_002\) lies outside the slide, which"
    ):
        regions_of_slide([path], FRAME)
