"""A member's card: values that are known, under the names of their classes."""

import pytest
from samples_made import TINY, perfect, sample

from nucwsi.nuclei.miscount import Miscount
from nucwsi.phantom import CLASSES
from nucwsi.training.member_card import (
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


def test_bins_without_nuclei_are_left_out(seen):
    table = reliability_table(*seen)
    assert sum(n for n, _, _ in table["bins"]) == sum(s.class_counts(4).sum() for s in seen[0])
    assert all(n for n, _, _ in table["bins"])
    assert 0 <= table["error"] <= 1


def test_the_card_shows_every_score_and_setting(seen):
    samples, maps = seen
    scores = validation_scores(samples, maps, first_constants(CLASSES), TINY)
    assert list(scores) == ["PQ set", "AJI set", "class accuracy"]
    about = {
        "licence": "CC0",
        "date": "2026-01-31",
        "nucwsi": "0.2.0",
        "images": ["set"],
        "temperature": 1.5,
        "tuning": {"images": 2, "compared": 108, "stopped": False},
        "validation": scores,
        "reliability": reliability_table(samples, maps),
        "settings": TINY.model_dump(mode="json"),
        "counts": {"images": {"set": 2}, "coverage": {"set": {"epithelial": 0.5}}},
    }
    description = {
        "name": "tiny",
        "architecture": "unet",
        "widths": [4, 6],
        "classes": list(CLASSES),
        "post_processing": first_constants(CLASSES),
        "miscount": Miscount(0.5, 0.125, {"other": 2.0}),
        "about": about,
    }
    network = first_network(TINY, None)
    text = card_text(network, description, "0" * 32)
    assert text.startswith("# tiny\n\nArchitecture unet, widths 4, 6: ")
    millions = sum(weight.numel() for weight in network.parameters()) / 1e6
    assert f"{millions:.2f} million parameters" in text
    assert f"| PQ set | {scores['PQ set']} |" in text
    assert "Temperature 1.5;" in text
    assert '"min_area_um2": {"epithelial": 6.0' in text
    assert "the best of 108 sets of constants on 2 images" in text
    assert "| set | 2 | 0.50 |  |  |  |" in text
    assert '"common": 0.125' in text
    assert '"crop_px": 64' in text
    # Checkpoints of format 1 know neither.
    del about["tuning"], about["counts"], description["miscount"]
    older = card_text(network, description, "0" * 32)
    assert "Errors of counts: `null`" in older
    assert "sets of constants" not in older
