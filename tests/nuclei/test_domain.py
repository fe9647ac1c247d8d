"""How nuclei look: sums that no cut of the slide changes, and distances that are known by hand."""

import numpy as np
import pytest

from nucwsi.nuclei.domain import DESCRIPTORS, MIN_NUCLEI, Domain, colour_sums, descriptors


def test_colours_of_parts_add_up_to_those_of_the_whole():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (3, 40, 60), np.uint8)
    np_map = rng.integers(0, 256, (40, 60), np.uint8)
    whole = colour_sums(rgb, np_map)
    for cut in (1, 17, 59):
        parts = [
            colour_sums(rgb[:, :, own], np_map[:, own]) for own in (slice(cut), slice(cut, 60))
        ]
        assert (sum(parts) == whole).all()
    assert whole[0] == (np_map >= 128).sum()
    assert colour_sums(rgb, np.zeros_like(np_map)).tolist() == [0] * 4


def test_the_colour_is_the_optical_density_of_nuclei_alone():
    rgb = np.full((3, 2, 2), 255, np.uint8)
    rgb[:, 0, 0] = (127, 63, 255)
    np_map = np.array([[255, 127], [0, 0]], np.uint8)
    # Half of the light passes in red, a quarter in green, all in blue.
    assert colour_sums(rgb, np_map).tolist() == [1, 693, 1386, 0]


def test_descriptors_by_hand():
    area = np.exp(np.tile([2.0, 4.0], MIN_NUCLEI))
    certainty = np.full(2 * MIN_NUCLEI, 0.91)
    colour = np.array([100, 30_000, 60_000, 10_000])
    found = descriptors(np.zeros(len(area), int), area, certainty, 1, colour)
    expected = [0.0, 0.3, 0.1, 3.0, 1.0, np.log(0.1)]
    np.testing.assert_allclose(found, [expected], atol=1e-6)
    assert len(DESCRIPTORS) == found.shape[1]


def test_too_few_nuclei_and_unknown_colours_have_no_look():
    group = np.repeat([0, 1], [MIN_NUCLEI - 1, MIN_NUCLEI])
    ones = np.ones(len(group))
    colour = np.array([10, 1000, 1000, 1000])
    found = descriptors(group, ones, ones, 3, colour)
    assert np.isnan(found).all(axis=1).tolist() == [True, False, True]
    assert np.isnan(descriptors(group, ones, ones, 3, np.zeros(4, int))).all()


@pytest.fixture
def drawn():
    rng = np.random.default_rng(1)
    mixing = rng.normal(0, 1, (6, 6))
    return rng.normal(0, 1, (2000, 6)) @ mixing + 5


def test_a_share_of_a_domain_lies_within_its_limit(drawn):
    domain = Domain.of(drawn, np.ones(2000))
    assert (domain.distance(drawn) <= 1).mean() == pytest.approx(0.95, abs=0.001)
    middle = domain.distance(drawn.mean(axis=0, keepdims=True))
    assert middle[0] < 0.01
    assert domain.distance(drawn[:1] + 100)[0] > 5
    assert np.isnan(domain.distance(np.full((1, 6), np.nan))[0])


def test_weights_decide_what_a_domain_is(drawn):
    far = drawn + 1000
    weights = np.repeat([1.0, 1e-9], 2000)
    domain = Domain.of(np.concatenate([drawn, far]), weights)
    assert (domain.distance(drawn) <= 1).mean() > 0.94
    assert (domain.distance(far) > 1).all()


def test_what_never_varies_still_has_a_distance():
    same = np.ones((30, 6))
    domain = Domain.of(same, np.ones(30))
    assert np.isfinite(domain.distance(same + 1)).all()


def test_what_sets_nuclei_apart_is_named():
    domain = Domain((0.0,) * 6, tuple(map(tuple, np.eye(6).tolist())), 1.0)
    for place, name in enumerate(["stain"] * 3 + ["size"] * 2 + ["certainty"]):
        away = np.full(6, 0.1)
        away[place] = 5
        assert domain.farthest(away) == name


def test_a_covariance_that_cannot_be_inverted_is_refused():
    with pytest.raises(ValueError, match="`covariance` must be positive definite"):
        Domain((0.0,) * 6, ((1.0,) * 6,) * 6, 1.0)
