"""The features by which the viewer can colour nuclei."""

import dataclasses

import numpy as np
import pytest
from shown import phantom_nuclei

from nucwsi.report.viewer_features import Feature, feature_columns, feature_levels, features_of


def test_every_feature_is_found_again_within_a_step_of_its_range():
    table = phantom_nuclei()
    columns = {
        "probability": table.class_probabilities.max(axis=1),
        **{name: getattr(table, name) for name in feature_columns(0)[1:]},
    }
    features = features_of(columns)
    assert [one.column for one in features] == feature_columns(0)
    levels = feature_levels(table, features, 4)
    for at, (one, values) in enumerate(zip(features, columns.values(), strict=True)):
        restored = one.low + (levels[:, at] - 1.0) / 254 * (one.high - one.low)
        expected = np.clip(values, one.low, one.high)
        np.testing.assert_allclose(restored, expected, atol=(one.high - one.low) / 500 + 1e-6)
        assert one.low == pytest.approx(np.percentile(values.astype(float), 1))
        assert one.high == pytest.approx(np.percentile(values.astype(float), 99))


def test_a_nucleus_without_the_feature_has_no_level_and_changes_no_range():
    table = phantom_nuclei(keep=3)
    areas = np.array([np.nan, 10.0, 20.0], np.float32)
    table = dataclasses.replace(table, area_um2=areas)
    [area] = features_of({"area_um2": areas})
    assert 10 < area.low < area.high < 20
    assert feature_levels(table, (area,), 4)[:, 0].tolist() == [0, 1, 255]
    assert features_of({"area_um2": areas[:1]}) == ()


def test_one_value_for_all_is_a_range_without_width():
    table = phantom_nuclei(keep=2)
    levels = feature_levels(table, (Feature("np_mean", "", "", 0.9, 0.9),), 4)
    assert (levels > 0).all()


def test_disagreement_is_listed_where_several_answers_are_kept():
    assert "disagreement" in feature_columns(1)
    assert "disagreement" not in feature_columns(0)
