"""Classes: colours that tell them apart, names for people, and the choice of the most probable."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.color import deltaE_ciede2000, rgb2lab

from nucwsi.classes import COLOURS, CONIC, colours, column_names, display_name, most_probable
from nucwsi.composition.counts import Population, composition

#: Classes that occur together, in the order of their checkpoints.
TOGETHER = {
    "default": ("epithelial", "inflammatory", "spindle", "other"),
    "CoNIC": CONIC,
    "PanNuke": ("neoplastic", "inflammatory", "connective", "dead", "epithelial"),
    "MoNuSAC": ("epithelial", "lymphocyte", "neutrophil", "macrophage"),
}


@pytest.mark.parametrize("classes", TOGETHER.values(), ids=TOGETHER)
def test_classes_of_one_checkpoint_look_different(classes):
    shown = np.array(list(colours(classes).values())) / 255
    lab = rgb2lab(shown)
    distances = [deltaE_ciede2000(lab[a], lab[b]) for a, b in combinations(range(len(lab)), 2)]
    assert min(distances) >= 11.8


def test_a_class_keeps_its_colour_whatever_stands_beside_it():
    for name, colour in COLOURS.items():
        assert colours(("stranger", name))[name] == colour


def test_classes_without_a_colour_get_spare_ones_in_turn():
    given_out = colours(tuple("abcdefg"))
    assert len({given_out[name] for name in "abcdef"}) == 6
    assert given_out["g"] == given_out["a"]
    assert colours(("epithelial", "a")) == {"epithelial": COLOURS["epithelial"], **colours(("a",))}


def test_names_for_people():
    assert display_name("plasma_cell") == "Plasma cell"


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 6)),
        elements=st.floats(0, 1, width=16),
    )
)
def test_the_most_probable_class_is_no_less_probable_than_any_other(probabilities):
    chosen = most_probable(probabilities)
    rows = np.arange(len(probabilities))
    assert (probabilities[rows, chosen][:, None] >= probabilities).all()
    assert chosen.dtype == np.uint8


def test_of_equal_classes_the_first_counts():
    assert most_probable(np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])).tolist() == [0, 1]
    assert most_probable(np.empty((0, 4))).shape == (0,)


def test_columns_that_are_named_after_a_class_are_known():
    """Two classes could double a column that `column_names` does not know."""
    names = ("first", "second")
    features = {"area_um2": np.ones(2, np.float32)}
    codes, shares = np.array([0, 1], np.uint8), np.eye(2, dtype=np.float32)
    nuclei = Population(codes, shares, features, np.empty((2, 0), np.float32))
    pairs = np.array([[0, 0], [0, 1]])
    columns = composition(pairs, nuclei, names, np.ones(1), np.zeros(2))
    assert set(columns) <= set(column_names(names))
