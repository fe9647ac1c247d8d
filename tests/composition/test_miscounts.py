"""Errors of counts beyond chance are found again where they were put, and left-out sources too."""

import numpy as np
import pytest

from nucwsi.composition.miscounts import KnownCounts, fit_miscounts

TYPICAL = (0.6, 0.13, 1.0)


def drawn(rng, source, images, lone, common, confusion):
    """Counts of two classes in images of 20 to 1,000 nuclei, some of them in doubt."""
    expected = rng.integers(10, 500, (images, 2)).astype(float)
    variance = expected * rng.uniform(0.02, 0.2, (images, 1))
    sd = np.sqrt(
        variance
        + lone * expected
        + (common * expected) ** 2
        + (np.array(confusion) * variance) ** 2
    )
    truth = np.rint(np.maximum(0, expected + sd * rng.standard_normal((images, 2))))
    known = np.ones(truth.shape, bool)
    return KnownCounts(truth.astype(int), known, expected, variance, np.full(images, source))


def joined(*counts):
    return KnownCounts(*(np.concatenate(parts) for parts in zip(*counts, strict=True)))


def test_errors_are_found_again_where_they_were_put():
    rng = np.random.default_rng(0)
    many = [drawn(rng, f"source {k}", 400, 0.5, 0.1, (2.0, 0.3)) for k in range(40)]
    error = fit_miscounts(joined(*many))
    assert error.common == pytest.approx(0.1, rel=0.2)
    np.testing.assert_allclose(error.confusion, [2.0, 0.3], rtol=0.25)
    assert not error.share.any()


def test_without_images_errors_are_typical_and_few_images_do_not_make_them_vanish():
    nothing = KnownCounts(
        *(np.zeros((0, 3), kind) for kind in (int, bool, float, float)), np.zeros(0, str)
    )
    error = fit_miscounts(nothing)
    np.testing.assert_allclose([error.lone, error.common], TYPICAL[:2], rtol=1e-3)
    np.testing.assert_allclose(error.confusion, TYPICAL[2], rtol=1e-3)
    rng = np.random.default_rng(1)
    few = fit_miscounts(drawn(rng, "a", 3, 0.0, 0.01, (0.05, 0.05)))
    assert 0.03 < few.common < TYPICAL[1]


def test_a_class_that_nobody_counted_errs_like_the_others():
    rng = np.random.default_rng(2)
    counts = joined(*(drawn(rng, f"s{k}", 200, 0.5, 0.1, (3.0, 3.0)) for k in range(20)))
    counts.known[:, 1] = False
    error = fit_miscounts(counts)
    assert error.confusion[0] == pytest.approx(3, rel=0.2)
    assert 1.3 < error.confusion[1] < error.confusion[0]


def test_a_source_of_many_images_does_not_drown_the_others():
    """One source of 1,000 images without shared errors, ten sources of 30 that have large ones."""
    rng = np.random.default_rng(3)
    calm = drawn(rng, "calm", 1000, 0.1, 0.01, (0.1, 0.1))
    wild = [drawn(rng, f"wild {k}", 30, 0.1, 0.4, (0.1, 0.1)) for k in range(10)]
    both = fit_miscounts(joined(calm, *wild)).common
    assert both > 0.25
    assert fit_miscounts(joined(calm, *wild).without("calm")).common > both
    assert fit_miscounts(calm).common < 0.1


def test_intervals_of_a_source_that_was_left_out_hold_what_they_promise():
    """Sources differ in a habit of their own, which the fit has to learn from the others."""
    rng = np.random.default_rng(4)
    sources = []
    for k in range(12):
        one = drawn(rng, f"s{k}", 60, 0.4, 0.05, (0.5, 0.5))
        habit = np.exp(rng.normal(0, 0.15, 2))
        sources.append(one._replace(truth=np.rint(one.truth * habit).astype(int)))
    held = []
    for k, one in enumerate(sources):
        error = fit_miscounts(joined(*sources).without(f"s{k}"))
        sd = np.sqrt(
            one.variance
            + error.lone * one.expected
            + (error.common * one.expected) ** 2
            + (error.confusion * one.variance) ** 2
        )
        held.append(np.abs(one.truth - one.expected) <= 2.306 * sd + 0.5)
    assert 0.92 < np.mean(held) < 0.985
