"""Regions from a GeoDataFrame, whichever way QuPath's classes arrive in it."""

import geopandas
import numpy as np
import pytest
import shapely

from nucwsi.errors import RegionError
from nucwsi.io.regions.geodataframe import read_region_frame

SQUARE = shapely.box(0, 0, 4, 4)


@pytest.mark.parametrize(
    "classification",
    [
        "Tumour",
        {"name": "Tumour", "color": [200, 0, 0]},
        '{"name": "Tumour", "color": [200, 0, 0]}',
    ],
)
def test_a_class_is_a_name_a_mapping_or_its_json(classification):
    frame = geopandas.GeoDataFrame({"classification": [classification]}, geometry=[SQUARE])
    [region] = read_region_frame(frame)
    assert (region.id, region.name, region.region_class) == ("region_001", "Tumour", "Tumour")
    assert region.source == "user"


def test_a_region_is_called_by_its_name_its_class_or_its_number():
    frame = geopandas.GeoDataFrame(
        {"name": ["core", None, None], "region_class": ["Tumour", "Stroma", None]},
        geometry=[SQUARE] * 3,
    )
    assert [region.name for region in read_region_frame(frame)] == ["core", "Stroma", "region_003"]


def test_heights_are_dropped_and_crossings_by_a_hair_repaired():
    hair = shapely.Polygon([(0, 0), (100, 0), (100, 100), (0, 100), (0.01, -0.01)])
    solid = shapely.force_3d(SQUARE, 7.0)
    flat, whole = read_region_frame(geopandas.GeoDataFrame(geometry=[solid, hair]))
    assert not flat.geometry.has_z
    assert whole.geometry.is_valid


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (shapely.Point(1, 1), r"region_001 \(region_001\) is a Point, expected an area"),
        (None, "is missing, expected an area"),
        (shapely.Polygon([(0, 0), (9, 9), (9, 0), (0, 9)]), "is invalid: Self-intersection"),
    ],
)
def test_what_is_no_valid_area_is_refused(shape, message):
    with pytest.raises(RegionError, match=message):
        read_region_frame(geopandas.GeoDataFrame(geometry=[shape]))


def test_a_class_that_only_looks_like_json_is_a_name():
    frame = geopandas.GeoDataFrame({"region_class": ["{Tumour"]}, geometry=[SQUARE])
    assert read_region_frame(frame)[0].region_class == "{Tumour"


@pytest.mark.parametrize("far", [float("nan"), float("inf"), 1e308])
def test_a_region_that_lies_on_no_slide_is_refused(far):
    with np.errstate(invalid="ignore"):
        shape = shapely.Polygon([(0, 0), (far, 0), (9, 9), (0, 0)])
    with pytest.raises(RegionError, match=r"is invalid: point 2 at x .* lies on no slide"):
        read_region_frame(geopandas.GeoDataFrame(geometry=[shape]))
