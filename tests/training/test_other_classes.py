"""A network of coarser or finer classes teaches, and is begun with, as far as it goes."""

import pytest
import torch
from samples_made import TINY

from nucwsi.errors import ConfigError
from nucwsi.training.other_classes import meant, with_classes
from nucwsi.training.trainee import first_network

FOUR = ("epithelial", "inflammatory", "spindle", "other")
SIX = ("neoplastic", "healthy epithelial", "inflammatory", "spindle", "dead", "other")


def test_classes_mean_what_labels_of_their_names_would():
    told = meant(FOUR, SIX, "teachers")
    assert told.int().tolist() == [
        [1, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 1],
    ]
    assert torch.equal(meant(SIX, FOUR, "teachers"), told.T)
    assert torch.equal(meant(("mine", "yours"), ("mine", "yours"), "start"), torch.eye(2) > 0)


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (
            ("mine", "other"),
            "a network of `start` knows the classes mine, other; expected those of `classes`",
        ),
        (("inflammatory", "spindle"), "none of which can mean epithelial, other"),
    ],
)
def test_classes_that_say_nothing_are_refused(theirs, message):
    with pytest.raises(ConfigError, match=message):
        meant(theirs, FOUR, "start")


def _answer(network):
    image = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return network.eval()(image)


def test_a_split_class_keeps_the_probability_of_the_whole():
    start = first_network(TINY, None)
    with torch.no_grad():
        start.heads.bias.copy_(torch.arange(7.0))
    split = with_classes(start, meant(FOUR, SIX, "start"))
    before, after = _answer(start), _answer(split)
    torch.testing.assert_close(after.np_map, before.np_map)
    torch.testing.assert_close(after.hv_map, before.hv_map)
    six = after.tp_map.softmax(1)
    whole = torch.stack([six[:, :2].sum(1), six[:, 2], six[:, 3], six[:, 4:].sum(1)], 1)
    torch.testing.assert_close(whole, before.tp_map.softmax(1))
    back = with_classes(split, meant(SIX, FOUR, "start"))
    torch.testing.assert_close(_answer(back).tp_map.softmax(1), before.tp_map.softmax(1))
