"""What is gathered of answers: each nucleus has its own features, class, place and network."""

import numpy as np
import pandas as pd
import pytest
from shown import phantom_nuclei, write_results

from nucwsi.config import TeachSettings
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.phantom import CLASSES
from nucwsi.steps.features import features
from nucwsi.steps.teach.gather import feature_names, gathered, network_classes_of
from nucwsi.steps.teach.labels import read_labels


@pytest.fixture(scope="module")
def results(small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gather") / "small"
    write_results(small_slide, folder, phantom_nuclei(keep=120))
    features(small_slide, folder / "nuclei.parquet", folder / "features.parquet")
    return folder


@pytest.fixture(scope="module")
def labels(results, tmp_path_factory):
    ids = read_columns(results / "nuclei.parquet", ["id"])["id"][[90, 3, 41]]
    path = tmp_path_factory.mktemp("answers") / "a.csv"
    pd.DataFrame({"id": ids, "class": ["c90", "c3", "c41"]}).to_csv(path, index=False)
    return read_labels([results], [path])


@pytest.mark.parametrize("asked", [True, False])
def test_each_answer_has_what_is_its_own(results, labels, asked):
    names = feature_names(labels, TeachSettings(network=asked))
    found = gathered(labels, names, [])
    assert found.label.tolist() == ["c3", "c41", "c90"]
    table = pd.read_parquet(results / "features.parquet").iloc[[3, 41, 90]]
    np.testing.assert_array_equal(found.values, table[list(names)].to_numpy(float))
    np.testing.assert_array_equal(
        found.network, table[[f"network_{name}" for name in CLASSES]].to_numpy(float)
    )
    assert any(name.startswith("network_") for name in names) == asked


def test_places_are_in_micrometres_and_not_negative(results, labels):
    found = gathered(labels, feature_names(labels, TeachSettings()), [])
    place = read_columns(results / "nuclei.parquet", ["row", "column"])
    xy = 0.25 * np.column_stack([place["row"], place["column"]])
    np.testing.assert_allclose(found.points_um, (xy - xy.min(axis=0))[[3, 41, 90]])


def test_some_answers_are_taken_in_order(labels):
    found = gathered(labels, feature_names(labels, TeachSettings()), [])
    some = found.take(np.array([True, False, True]))
    assert some.label.tolist() == ["c3", "c90"]
    np.testing.assert_array_equal(some.values, found.values[[0, 2]])
    assert network_classes_of(labels) == CLASSES
