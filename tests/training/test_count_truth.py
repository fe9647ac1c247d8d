"""What counts of labelled images are off by, and whether their intervals say so."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from samples_made import sample

from nucwsi.composition.intervals import CountError
from nucwsi.training.count_truth import count_images, telling


def labelled(name, allowed):
    """A labelled image of which nothing but the classes of its nuclei matters."""
    return replace(sample(side=8), name=name, allowed=np.array(allowed, np.uint8))


def answer(*shares):
    share = np.array(shares, np.float32).reshape(-1, 3)
    none = np.empty((len(share), 0))
    return SimpleNamespace(
        class_code=share.argmax(axis=1), class_probabilities=share, contrasts=none
    )


def test_a_count_is_known_where_no_label_leaves_a_choice():
    samples = [
        labelled("a/1", [1, 1, 2]),
        # The second may be of the first class or the third; of the second class there is one.
        labelled("a/2", [5, 2]),
        labelled("a/3", []),
        labelled("b/1", [4]),
    ]
    nuclei = [
        answer((0.8, 0.1, 0.1), (0.2, 0.6, 0.2)),
        answer((1, 0, 0)),
        answer(),
        answer((0, 0, 1), (0, 0, 1)),
    ]
    found = count_images(samples, nuclei, 3)
    assert found.source.tolist() == ["a", "a", "a", "b"]
    assert found.truth.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]
    # No label of the first data set is of the third class, none of the other of the first two.
    assert found.known.tolist() == [
        [True, True, False],
        [False, True, False],
        [True, True, False],
        [False, False, True],
    ]
    assert found.estimate.n_nuclei.tolist() == [2, 1, 0, 2]
    np.testing.assert_allclose(
        found.estimate.expected, [[1, 0.7, 0.3], [1, 0, 0], [0, 0, 0], [0, 0, 2]], rtol=1e-6
    )
    # The third class was counted as 2 for sure, but there was 1.
    assert found.coverage(CountError.of("abc", {})).tolist() == [1, 2 / 3, 0]
    # What is certainly not there has no error; the other miscounts lie within those that are usual.
    assert found.coverage(found.error()).tolist() == [1, 2 / 3, 1]


def test_a_class_that_few_images_of_a_data_set_tell_is_not_known_there():
    samples = [labelled(f"a/{k}", [1, 3]) for k in range(3)] + [labelled("a/4", [1, 1, 4])]
    nuclei = [answer((1, 0, 0))] * 4
    found = count_images(samples, nuclei, 3)
    # Three of four leave a choice between the first two classes, none about the third.
    assert found.known.tolist() == [[False, False, True]] * 4


def test_data_sets_whose_labels_are_all_alike_tell_nothing_apart():
    samples = [labelled("a/1", [1, 1]), labelled("b/1", [1]), labelled("a/2", [2])]
    assert telling(samples) == [True, False, True]
    assert telling([]) == []


def test_without_images_nothing_is_known():
    nothing = count_images([], [], 3)
    assert nothing.truth.shape == (0, 3)
    assert np.isnan(nothing.coverage_left_out()).all()
    assert nothing.left_out()[0].shape == (0, 3)


def test_intervals_of_a_source_that_was_left_out_cover_as_often_as_they_promise():
    rng = np.random.default_rng(1)
    samples, nuclei = [], []
    for number in range(240):
        share = rng.dirichlet(np.ones(3), 100)
        # A hospital's habit shifts all nuclei of an image alike.
        shifted = share * np.exp(rng.normal(0, 0.7, 3))
        code = [rng.choice(3, p=p / p.sum()) for p in shifted]
        samples.append(labelled(f"source {number % 8}/{number}", 1 << np.array(code)))
        nuclei.append(answer(share))
    found = count_images(samples, nuclei, 3)
    assert (found.coverage(CountError.of("abc", {})) < 0.75).all()
    held = found.coverage_left_out()
    assert ((held >= 0.92) & (held <= 0.995)).all()
    # Twice as wide where a slide is out of domain.
    narrow, wide = found.left_out(), found.left_out(np.full(240, 2.0))
    above = [(high - found.estimate.expected).mean(axis=0) for _, high in (narrow, wide)]
    assert (above[1] > 1.8 * above[0]).all()
