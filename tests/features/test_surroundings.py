"""Surroundings: neighbours are those within a radius, and nobody is its own."""

import numpy as np

from nucwsi.features import surroundings
from nucwsi.features.surroundings import FAR_UM, NAMES, Surroundings


def made(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(0, 400, (n, 2)),
        rng.uniform(10, 90, n),
        rng.uniform(0.4, 1, n),
        rng.uniform(0.8, 1, n),
    )


def test_they_are_those_of_a_loop_over_all_pairs():
    points, area, circularity, solidity = made()
    found = Surroundings(points, area, circularity, solidity).features(np.arange(300))
    far = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    np.fill_diagonal(far, np.inf)
    for row, distances in zip(found.tolist(), far, strict=True):
        near = distances <= FAR_UM
        expected = [
            min(distances.min(), FAR_UM),
            (distances <= 20).sum(),
            near.sum(),
            area[near].mean(),
            area[near].std(),
            circularity[near].mean(),
            solidity[near].mean(),
        ]
        np.testing.assert_allclose(row, expected, rtol=1e-5)


def test_a_nucleus_has_the_same_neighbours_whoever_is_asked_with_it(monkeypatch):
    every = Surroundings(*made())
    whole = every.features(np.arange(300))
    monkeypatch.setattr(surroundings, "_AT_ONCE", 7)
    np.testing.assert_array_equal(every.features(np.arange(300)), whole)
    np.testing.assert_array_equal(every.features(np.array([250, 3])), whole[[250, 3]])


def test_a_lone_nucleus_is_like_itself():
    lone = Surroundings(np.array([[5.0, 5.0]]), *(np.array([v]) for v in (30.0, 0.5, 0.9)))
    found = dict(zip(NAMES, lone.features(np.array([0]))[0].tolist(), strict=True))
    assert found["nearest_um"] == FAR_UM
    assert found["neighbours_50um"] == 0
    assert found["neighbour_area_um2"] == 30
    assert lone.features(np.empty(0, int)).shape == (0, len(NAMES))


def test_two_nuclei_in_one_place_are_neighbours():
    twins = Surroundings(np.zeros((2, 2)), *(np.array([v, v]) for v in (30.0, 0.5, 0.9)))
    assert twins.features(np.arange(2))[:, 1].tolist() == [1, 1]
