"""A member's card: values that are known, under the names of their classes."""

import numpy as np
import pytest
from samples_made import FIXED, TINY, perfect, sample

from nucwsi.phantom import CLASSES
from nucwsi.training.count_truth import count_images
from nucwsi.training.labelled_nuclei import find_nuclei
from nucwsi.training.member_card import (
    by_class,
    card_text,
    reliability_table,
    validation_scores,
)
from nucwsi.training.trainee import first_network
from nucwsi.training.tuning import first_constants


@pytest.fixture
def seen():
    samples = [sample(seed) for seed in range(2)]
    return samples, [perfect(one) for one in samples]


def test_only_what_is_known_is_named():
    assert by_class(("a", "b", "c"), np.array([0.12345, np.nan, 0.0])) == {"a": 0.1235, "c": 0.0}


def test_bins_without_nuclei_are_left_out(seen):
    table = reliability_table(*seen)
    assert sum(n for n, _, _ in table["bins"]) == sum(s.class_counts(4).sum() for s in seen[0])
    assert all(n for n, _, _ in table["bins"])
    assert 0 <= table["error"] <= 1


def test_the_card_shows_every_score_and_setting(seen):
    samples, maps = seen
    fixed = first_constants(CLASSES)
    nuclei = [find_nuclei(seen, FIXED, one) for one, seen in zip(samples, maps, strict=True)]
    counts = count_images(samples, nuclei, len(CLASSES))
    scores = validation_scores(samples, maps, fixed, counts, TINY)
    assert list(scores)[:3] == ["PQ set", "AJI set", "class accuracy"]
    about = {
        "licence": "CC0",
        "date": "2026-01-31",
        "nucwsi": "0.2.0",
        "images": ["set"],
        "temperature": 1.5,
        "validation": scores,
        "reliability": reliability_table(samples, maps),
        "settings": TINY.model_dump(mode="json"),
    }
    text = card_text("tiny", first_network(TINY, None), TINY, fixed, about, "0" * 32)
    assert text.startswith("# tiny\n")
    assert f"| PQ set | {scores['PQ set']} |" in text
    assert "Temperature 1.5;" in text
    assert '"min_area_um2": {"epithelial": 6.0' in text
    assert '"crop_px": 64' in text
