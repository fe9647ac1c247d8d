"""Nuclei from a GeoDataFrame: what cannot be counted with is refused, with row and value."""

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from nucwsi.errors import ConfigError
from nucwsi.io.nuclei.geodataframe import read_population


def frame_of(**columns):
    """Make three nuclei at (10, 5), (20, 5) and (30, 5)."""
    shapes = [shapely.Point(x, 5).buffer(3) for x in (10, 20, 30)]
    data = {"class": ["b", "a", None], "p_a": [0.1, 0.7, 0.5], "p_b": [0.9, 0.3, 0.5], **columns}
    return geopandas.GeoDataFrame(data, geometry=shapes, index=["x", "y", "z"])


def test_classes_are_in_the_order_of_their_probabilities():
    frame = frame_of()[["p_b", "p_a", "class", "geometry"]]
    nuclei, classes, centroids = read_population(frame)
    assert classes == ("b", "a")
    assert nuclei.class_code.tolist() == [0, 1, 2]
    assert list(nuclei.class_probabilities) == ["b", "a"]
    for name, share in nuclei.class_probabilities.items():
        np.testing.assert_array_equal(share, frame[f"p_{name}"].astype("f4"))
    np.testing.assert_allclose(centroids, [(10, 5), (20, 5), (30, 5)])


def test_without_a_class_the_most_probable_one_is_taken():
    nuclei, _, _ = read_population(frame_of().drop(columns="class"))
    assert nuclei.class_code.tolist() == [1, 0, 0]


def test_without_probabilities_classes_are_certain_and_features_unknown():
    nuclei, classes, _ = read_population(frame_of()[["class", "geometry"]])
    assert classes == ("a", "b")
    found = [share.tolist() for share in nuclei.class_probabilities.values()]
    assert found == [[0, 1, 0], [1, 0, 0]]
    assert np.isnan(nuclei.features["area_um2"]).all()
    assert nuclei.contrasts == {}


def test_contrasts_are_those_whose_columns_are_complete():
    contrasts = {f"contrast{k}_{c}": [0.1 * k, -0.2, 0.0] for k in (1, 2) for c in "ab"}
    nuclei, _, _ = read_population(frame_of(**contrasts, contrast3_a=[0, 0, 0]))
    assert list(nuclei.contrasts) == list(contrasts)
    first = [values[0] for values in nuclei.contrasts.values()]
    np.testing.assert_allclose(first, [0.1, 0.1, 0.2, 0.2], rtol=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -0.01, 1.01, 30.0])
def test_a_probability_is_a_number_from_0_to_1(wrong):
    message = rf"1 rows .*, the first at 'y': `p_b` is {wrong:g}, expected 0 to 1; correct"
    with pytest.raises(ConfigError, match=message):
        read_population(frame_of(p_b=[0.9, wrong, 0.5]))


def test_probabilities_may_be_off_by_rounding():
    nuclei, _, _ = read_population(frame_of(p_a=[1 + 1e-7, -1e-7, 0.5]))
    assert nuclei.class_probabilities["a"].tolist() == np.float32([1 + 1e-7, -1e-7, 0.5]).tolist()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_contrast_is_a_finite_number_of_either_sign(wrong):
    sound = {"contrast1_a": [-0.3, 0.1, 0.2], "contrast1_b": [0.3, -0.1, -0.2]}
    assert read_population(frame_of(**sound))[0].contrasts["contrast1_a"][0] == np.float32(-0.3)
    message = rf"the first at 'z': `contrast1_b` is {wrong:g}, expected a finite number"
    with pytest.raises(ConfigError, match=message):
        read_population(frame_of(**sound | {"contrast1_b": [0.3, -0.1, wrong]}))


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, -1e-6])
def test_a_feature_is_not_negative_and_may_be_unknown(wrong):
    nuclei, _, _ = read_population(frame_of(area_um2=[30, np.nan, 0], solidity=[1, 1, np.nan]))
    np.testing.assert_array_equal(nuclei.features["area_um2"], [30, np.nan, 0])
    message = rf"2 rows .*, the first at 'x': `area_um2` is {wrong:g}, expected at least 0"
    with pytest.raises(ConfigError, match=message):
        read_population(frame_of(area_um2=[wrong, 30, wrong]))


def test_missing_values_of_nullable_columns_are_seen():
    with pytest.raises(ConfigError, match="the first at 'y': `p_a` is nan"):
        read_population(frame_of(p_a=pd.array([0.1, pd.NA, 0.5], "Float64")))


@pytest.mark.parametrize("x", [None, np.nan, np.inf])
def test_an_outline_that_is_no_area_moves_no_other(x):
    """Without this check the centroids of all nuclei behind it would belong to other nuclei."""
    frame = frame_of()
    with np.errstate(invalid="ignore"):
        wrong = None if x is None else shapely.Polygon([(0, 0), (4, 0), (x, 4)])
        frame.geometry = [frame.geometry.iloc[0], wrong, frame.geometry.iloc[2]]
        with pytest.raises(ConfigError, match="1 rows without an outline, the first at 'y'"):
            read_population(frame)


def test_a_frame_without_classes_is_refused():
    with pytest.raises(ConfigError, match="has no column `class`, nor `p_<class>`"):
        read_population(frame_of()[["geometry"]])
