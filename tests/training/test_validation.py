"""Scores of maps by data set, as training and the search for constants see them."""

from dataclasses import replace

import pytest
from samples_made import FIXED, perfect, sample

from nucwsi.phantom import CLASSES
from nucwsi.training.labelled_nuclei import find_nuclei
from nucwsi.training.scores import score_image
from nucwsi.training.tuning import first_constants
from nucwsi.training.validation import detection_by_dataset, mean_score, outlines_by_dataset


def test_data_sets_are_scored_apart_outlines_and_points_each_with_their_own():
    outlined, pointed = sample(), replace(sample(1), name="points/1", outlined=False)
    samples, maps = [outlined, pointed], [perfect(outlined), perfect(sample(1))]
    constants = first_constants(CLASSES)
    outlines = outlines_by_dataset(samples, maps, constants, 0.5)
    points = detection_by_dataset(samples, maps, constants, 0.5)
    assert set(outlines) == {"set"}
    assert set(points) == {"points"}
    assert outlines["set"].pq > 0.9
    assert 0 <= points["points"] <= 1


def test_a_search_and_evaluate_see_the_same_outlines():
    one = sample()
    nuclei = find_nuclei(perfect(one), FIXED, one)
    values = score_image(one, nuclei, 4, 0.5).values
    constants = replace(
        first_constants(CLASSES), min_marker_um2=1.0, min_area_um2=dict.fromkeys(CLASSES, 1.0)
    )
    outlines = outlines_by_dataset([one], [perfect(one)], constants, 0.5)["set"]
    assert (outlines.pq, outlines.aji) == (values["pq"], values["aji"])


def test_every_data_set_counts_alike():
    one, pointed = sample(), replace(sample(1), name="points/1", outlined=False)
    again = [replace(sample(seed), name=f"set/{seed}") for seed in (2, 3)]
    samples, maps = [one, *again, pointed], [*map(perfect, (one, *again)), perfect(sample(1))]
    constants = first_constants(CLASSES)
    outlines = outlines_by_dataset(samples, maps, constants, 0.5)["set"]
    points = detection_by_dataset(samples, maps, constants, 0.5)["points"]
    expected = ((outlines.pq + outlines.aji) / 2 + points) / 2
    assert mean_score(samples, maps, constants, 0.5) == pytest.approx(expected)
