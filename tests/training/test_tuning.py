"""The constants of post-processing that validation images choose."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from samples_made import perfect, sample
from scipy import ndimage

from nucwsi.phantom import CLASSES
from nucwsi.training.tuning import N_CANDIDATES, affordable, first_constants, search_constants
from nucwsi.training.validation import outlines_by_dataset


@pytest.fixture
def seen():
    """A sample, and a function that makes its maps of how sure they are of rims and of errors."""
    one = sample(side=160)
    nucleus = one.instances > 0
    rim = nucleus & ~ndimage.binary_erosion(nucleus)
    free = ndimage.distance_transform_edt(~nucleus)
    row, column = np.unravel_index(free.argmax(), free.shape)
    rows, columns = np.indices(free.shape)
    blob = np.hypot(rows - row, columns - column) < free.max() - 3
    largest = one.instances == np.bincount(one.instances[nucleus]).argmax()
    halo = ndimage.binary_dilation(largest) & ~nucleus
    halo.flat[np.flatnonzero(halo)[:-3]] = False

    def maps(of_rims, of_blob, of_halo):
        flawless = perfect(one)
        np_map = flawless.np_map.copy()
        for where, sure in ((rim, of_rims), (blob, of_blob), (halo, of_halo)):
            np_map[where] = 255 * sure
        return flawless._replace(np_map=np_map)

    return one, maps


@pytest.mark.parametrize(
    ("sure", "least_mean", "threshold"),
    [
        ((1, 0, 0), 0, 0.35),
        ((0.43, 0, 0), 0, 0.35),
        ((1, 0.47, 0), 0.55, 0.35),
        ((0.43, 0.57, 0), 0.6, 0.35),
        ((1, 0, 0.47), 0, 0.35),
    ],
    ids=["flawless", "unsure rims", "unsure blob", "rims and blob", "part of a rim too much"],
)
def test_the_least_threshold_that_loses_next_to_nothing(seen, sure, least_mean, threshold):
    one, maps = seen
    chosen = search_constants([one], [maps(*sure)], CLASSES, 0.5).constants
    assert (chosen.min_mean_np, chosen.np_threshold) == (least_mean, threshold)


def test_points_tell_whether_to_drop_what_is_unsure(seen):
    one, maps = seen
    classes = np.stack([one.class_set >> code & 1 for code in range(4)]).astype(np.uint8) * 255
    dim = np.where(one.instances > 0, 150, 0).astype(np.uint8)
    unsure = perfect(one)._replace(np_map=dim, tp_map=classes)
    pointed = replace(one, name="points/0", outlined=False)
    blob = maps(1, 0.57, 0)
    alone = search_constants([one], [blob], CLASSES, 0.5)
    both = search_constants([one, pointed], [blob, unsure], CLASSES, 0.5)
    assert (alone.constants.min_mean_np, both.constants.min_mean_np) == (0.6, 0)


def test_an_image_without_nuclei_has_no_say(seen):
    one, maps = seen
    nothing = replace(one, name="blank/0", instances=np.zeros_like(one.instances))
    flawless, empty = maps(1, 0, 0), perfect(nothing)
    assert outlines_by_dataset([nothing], [empty], first_constants(CLASSES), 0.5) == {}
    assert search_constants([nothing], [empty], CLASSES, 0.5) == (
        first_constants(CLASSES),
        0,
        False,
    )
    both = search_constants([one, nothing], [flawless, empty], CLASSES, 0.5)
    assert both == search_constants([one], [flawless], CLASSES, 0.5)


def test_a_low_threshold_that_costs_more_is_not_taken(seen):
    one, maps = seen
    seen_wide = maps(1, 0, 0)
    around = ndimage.binary_dilation(one.instances > 0) & (one.instances == 0)
    np_map = np.where(around, 120, seen_wide.np_map).astype(np.uint8)
    found = search_constants([one], [seen_wide._replace(np_map=np_map)], CLASSES, 0.5)
    assert found.constants.np_threshold == 0.5


def test_every_candidate_is_told_of(seen):
    one, maps = seen
    told = []
    found = search_constants([one], [maps(1, 0, 0)], CLASSES, 0.5, told.append)
    assert told == [1] * N_CANDIDATES
    assert (found.n_compared, found.stopped) == (N_CANDIDATES, False)
    told.clear()
    nothing = replace(one, instances=np.zeros_like(one.instances))
    search_constants([nothing], [perfect(nothing)], CLASSES, 0.5, told.append)
    assert not told


def test_a_search_that_must_end_keeps_the_best_until_then(seen):
    one, maps = seen
    unsure = maps(0.43, 0.57, 0)
    told, asked = [], itertools.count(1)
    found = search_constants([one], [unsure], CLASSES, 0.5, told.append, lambda: next(asked) > 8)
    assert found.stopped
    # The first is compared whatever the time, and eight more.
    assert found.n_compared == len(told) == 9
    # Six at a threshold of 0.35, three at 0.4; a least mean of 0.6 is the fourth or later.
    assert found.constants.np_threshold == 0.35
    assert found.constants.min_mean_np == 0.6
    at_once = search_constants([one], [unsure], CLASSES, 0.5, time_is_up=lambda: True)
    assert (at_once.n_compared, at_once.stopped) == (1, True)


def test_the_budget_is_shared_by_data_sets_and_grows_with_the_training(seen):
    one, maps = seen
    flawless = maps(1, 0, 0)
    size_px = flawless.np_map.size
    samples = [replace(one, name=f"a/{k}") for k in range(8)] + [replace(one, name="b/0")]
    seen_maps = [flawless] * 9

    def chosen(images):
        return affordable(samples, seen_maps, images * size_px * N_CANDIDATES / 2)

    assert chosen(0.9) == []
    assert chosen(2) == [0, 8]
    # Spread over the set, not its beginning.
    assert chosen(4) == [0, 2, 5, 8]
    assert chosen(9) == chosen(90) == list(range(9))
    assert affordable([], [], 1e9) == []
