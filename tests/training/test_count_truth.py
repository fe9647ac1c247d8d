"""What counts of labelled images are off by, and whether their intervals say so."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from samples_made import sample

from nucwsi.training.count_truth import count_images


def labelled(name, allowed):
    """A labelled image of which nothing but the classes of its nuclei matters."""
    return replace(sample(side=8), name=name, allowed=np.array(allowed, np.uint8))


def answer(*shares):
    share = np.array(shares, np.float32).reshape(-1, 3)
    none = np.empty((len(share), 0))
    return SimpleNamespace(
        class_code=share.argmax(axis=1), class_probabilities=share, contrasts=none
    )


def test_images_are_counted_if_all_their_labels_are_sure():
    samples = [
        labelled("a/1", [1, 1, 2]),
        labelled("a/2", [1, 3]),
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
    assert found.truth.tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert found.known.tolist() == [[True, True, False]] * 2 + [[False, False, True]]
    assert found.estimate.n_nuclei.tolist() == [2, 0, 2]
    np.testing.assert_allclose(
        found.estimate.expected, [[1, 0.7, 0.3], [0, 0, 0], [0, 0, 2]], rtol=1e-6
    )
    np.testing.assert_allclose(found.error(), [(1 - 0.32) ** 0.5 / 2, 0, 0.5], rtol=1e-6)
    # The third class was counted as 2 for sure, but there was 1.
    assert found.coverage(np.zeros(3)).tolist() == [1, 1, 0]
    assert found.coverage(found.error()).tolist() == [1, 1, 1]
    # Alone in its data set, an image learns nothing from the others.
    assert np.isnan(found.coverage(found.error_of_others())[2])


def test_without_images_nothing_is_known():
    nothing = count_images([], [], 3)
    assert np.isnan(nothing.error()).all()
    assert np.isnan(nothing.coverage(nothing.error_of_others())).all()


def test_held_out_errors_cover_as_often_as_they_promise():
    rng = np.random.default_rng(1)
    samples, nuclei = [], []
    for number in range(200):
        share = rng.dirichlet(np.ones(3), 100)
        # A hospital's habit shifts all nuclei of an image alike.
        shifted = share * np.exp(rng.normal(0, 0.7, 3))
        code = [rng.choice(3, p=p / p.sum()) for p in shifted]
        samples.append(labelled(f"a/{number}", 1 << np.array(code)))
        nuclei.append(answer(share))
    found = count_images(samples, nuclei, 3)
    assert (found.coverage(np.zeros(3)) < 0.75).all()
    held = found.coverage(found.error_of_others())
    assert ((held >= 0.9) & (held <= 0.99)).all()
