"""Confidence in the classes of true nuclei, pixel by pixel and nucleus by nucleus."""

from dataclasses import replace

import numpy as np
import pytest
from samples_made import perfect, sample

from nucwsi.training.confidence import choose_temperature, class_accuracy, class_reliability


def answered(one, code_of, confidence=0.97):
    """Maps in which each nucleus has the class that a function makes of its own."""
    tp_map = np.full((4, *one.instances.shape), 255 * (1 - confidence) / 3)
    codes = np.array([-1, *one.class_codes])[np.searchsorted(np.unique(one.owner), one.owner)]
    for code in range(4):
        tp_map[code_of(code)][codes == code] = 255 * confidence
    return perfect(one)._replace(tp_map=tp_map.round().astype(np.uint8))


def test_accuracy_is_the_mean_over_classes_of_what_is_right():
    samples = [sample(seed) for seed in range(8)]
    assert (sum(one.class_counts(4) for one in samples) >= 50).all()
    for code_of, expected in (
        (lambda code: code, 1),
        (lambda code: (code + 1) % 4, 0),
        (lambda _: 1, 0.25),
        (lambda code: 0 if code == 3 else code, 0.75),
    ):
        assert class_accuracy(samples, [answered(one, code_of) for one in samples]) == expected


def test_without_known_classes_accuracy_is_zero():
    one = sample()
    nothing = replace(one, class_set=np.where(one.class_set == 0b110, one.class_set, 0))
    assert class_accuracy([nothing], [answered(one, lambda code: code)]) == 0


def test_a_class_of_few_nuclei_does_not_count_where_another_has_many():
    samples = [sample(seed) for seed in range(8)]
    rare = [replace(s, class_set=s.class_set * (s.class_set != 8)) for s in samples[1:]]
    wrong_of_rare = [answered(s, lambda code: 0 if code == 3 else code) for s in samples]
    assert class_accuracy([samples[0], *rare], wrong_of_rare) == 1


def test_a_network_that_is_right_too_rarely_is_cooled():
    samples = [sample(seed) for seed in range(4)]
    right = [answered(one, lambda code: code) for one in samples]
    wrong = [answered(one, lambda code: (code + 1) % 4) for one in samples]
    assert choose_temperature(samples, right) < 1
    assert choose_temperature(samples * 2, right + wrong) > 1


def test_reliability_compares_confidence_with_what_is_right():
    samples = [sample(seed) for seed in range(4)]
    right = [answered(one, lambda code: code, 0.8) for one in samples]
    wrong = [answered(one, lambda code: (code + 1) % 4, 0.8) for one in samples]
    diagram = class_reliability(samples * 2, right + wrong)
    n_nuclei = sum(one.class_counts(4).sum() for one in samples)
    assert diagram.n_nuclei.sum() == 2 * n_nuclei
    assert diagram.error == pytest.approx(0.3, abs=0.01)
