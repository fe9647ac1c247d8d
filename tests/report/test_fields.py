"""Fields: what lies in each, and which are chosen."""

import numpy as np
import shapely

from nucwsi.report.fields import (
    Choice,
    chosen_fields,
    field_sums,
    n_fields,
    tissue_shares,
)


def test_fields_are_chosen_by_rule():
    n = np.array([[0, 3, 30], [30, 12, 20]])
    certainty = np.array([[np.nan, 0.1, 0.9], [0.8, 0.5, 0.6]])
    sums = field_sums(
        *np.repeat(np.argwhere(n >= 0), n.ravel(), axis=0).T * 10.0 + 5,
        np.repeat(certainty.ravel(), n.ravel()),
        n.shape,
        10,
    )
    np.testing.assert_array_equal(sums.n_nuclei, n)
    np.testing.assert_allclose(sums.certainty, certainty)
    tissue = np.array([[0.9, 0.4, 1], [1, 1, 1]])
    chosen = chosen_fields(sums, tissue, 2, seed=1)
    assert chosen[:4] == [
        Choice("densest", 0, 2),
        Choice("densest", 1, 0),  # a tie keeps the raster's order
        Choice("uncertain", 1, 1),
        Choice("uncertain", 1, 2),  # of the field with three nuclei nothing can be said
    ]
    assert chosen[4:] == [Choice("random", 0, 0)], "the only other field with tissue"
    assert len({choice[1:] for choice in chosen}) == len(chosen)


def test_another_seed_draws_other_fields_and_nothing_else():
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 1000, (2, 5000))
    sums = field_sums(*place, rng.uniform(0.3, 1, 5000), (10, 10), 100)
    drawn = {seed: chosen_fields(sums, np.ones((10, 10)), 4, seed) for seed in (1, 2)}
    assert drawn[1] == chosen_fields(sums, np.ones((10, 10)), 4, 1)
    assert drawn[1][:8] == drawn[2][:8]
    assert drawn[1][8:] != drawn[2][8:]


def test_only_whole_fields_count_but_there_is_always_one():
    assert n_fields((299, 300), 100) == (2, 3)
    assert n_fields((40, 99), 100) == (1, 1)


def test_nuclei_beyond_the_last_whole_field_count_nowhere():
    """A centroid on the border of two fields belongs to the one that begins there."""
    row, column = np.array([0, 99.9, 100, 250, -1]), np.array([0, 0, 99.9, 0, 0])
    sums = field_sums(row, column, np.full(5, 0.5), (2, 1), 100)
    assert sums.n_nuclei.tolist() == [[2], [1]]


def test_the_share_of_tissue_is_that_of_its_area():
    pieces = np.array([shapely.box(0, 0, 100, 50), shapely.box(100, 0, 200, 100)], object)
    assert tissue_shares(pieces, (1, 3), 100).tolist() == [[0.5, 1, 0]]
