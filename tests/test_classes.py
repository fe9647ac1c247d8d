"""Classes: colours that tell them apart, names for people, and the choice of the most probable."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.color import deltaE_ciede2000, rgb2hed, rgb2lab

from nucwsi.classes import (
    CASING_ALPHA,
    COLOURS,
    CONIC,
    check_unions,
    colours,
    column_names,
    display_name,
    most_probable,
    read_unions,
    unions_within,
)
from nucwsi.composition.counts import Population, composition
from nucwsi.composition.intervals import CountError
from nucwsi.composition.membership import Membership
from nucwsi.grid import Window
from nucwsi.io.slides.slide import open_slide

#: Classes that occur together, in the order of their checkpoints.
TOGETHER = {
    "default": ("epithelial", "inflammatory", "spindle", "other"),
    "CoNIC": CONIC,
    "PanNuke": ("neoplastic", "inflammatory", "connective", "dead", "epithelial"),
    "MoNuSAC": ("epithelial", "lymphocyte", "neutrophil", "macrophage"),
    "to come": ("neoplastic", "healthy_epithelial", "inflammatory", "spindle", "dead", "other"),
}


#: Colour vision deficiencies, as matrices on linear RGB (Machado et al., IEEE TVCG 15, 2009, at
#: severity 1).
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}

#: Measured on 1,500 nuclei of each slide: typical colours (5 clusters) of nuclei, and of what lies
#: within 1.5 µm around them.
NUCLEI_AND_STROMA = {
    "nuclei of CMU-1-Small-Region": [
        *((31, 16, 52), (98, 61, 111), (61, 32, 79), (78, 44, 93), (47, 24, 67)),
    ],
    "stroma of CMU-1-Small-Region": [
        *((170, 111, 152), (114, 64, 106), (144, 88, 132), (220, 192, 208), (196, 140, 174)),
    ],
    "nuclei of lung-scc": [
        *((144, 109, 155), (179, 143, 184), (132, 101, 145), (163, 126, 171), (153, 117, 163)),
    ],
    "stroma of lung-scc": [
        *((233, 209, 230), (194, 149, 189), (219, 181, 211), (175, 131, 174), (206, 163, 199)),
    ],
}


def seen_as(rgb, vision):
    """CIELAB of colours (..., 3) from 0 to 255 as an eye of a kind sees them."""
    encoded = np.asarray(rgb, float) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISIONS[vision]), 0, 1)
    return rgb2lab(
        np.where(
            seen <= 0.0031308, 12.92 * seen, 1.055 * np.maximum(seen, 1e-9) ** (1 / 2.4) - 0.055
        )
    )


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("classes", TOGETHER.values(), ids=TOGETHER)
def test_classes_of_one_checkpoint_look_different(classes, vision):
    lab = seen_as(list(colours(classes).values()), vision)
    distances = [deltaE_ciede2000(lab[a], lab[b]) for a, b in combinations(range(len(lab)), 2)]
    assert min(distances) >= 12


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("place", NUCLEI_AND_STROMA)
def test_every_class_is_seen_on_nuclei_and_on_stroma(place, vision):
    """By its hue, if not by its brightness."""
    shown = seen_as(sorted(set(COLOURS.values())), vision)
    around = seen_as(NUCLEI_AND_STROMA[place], vision)
    assert deltaE_ciede2000(*np.broadcast_arrays(shown[:, None], around[None])).min() >= 12


def brightness(rgb):
    """Relative luminance, 0 to 1 (WCAG 2)."""
    encoded = np.asarray(rgb, float) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def contrast(one, other):
    """Contrast ratios of all colours of one list to all of another, 1 to 21 (WCAG 2)."""
    a, b = np.meshgrid(brightness(one) + 0.05, brightness(other) + 0.05)
    return np.maximum(a, b) / np.minimum(a, b)


def test_thin_outlines_are_seen_on_dark_nuclei_by_their_brightness():
    """Thin lines need it; the dark grey of spindle cells had 1.3 there."""
    dark = NUCLEI_AND_STROMA["nuclei of CMU-1-Small-Region"]
    assert np.median(contrast(dark, [(60, 60, 60)])) < 1.5
    assert (np.median(contrast(dark, sorted(set(COLOURS.values()))), axis=1) >= 2.5).all()


def test_a_dark_casing_makes_outlines_seen_everywhere():
    """As the report and the viewer draw them: also on pale nuclei, stroma, and glass."""
    under = [*(colour for place in NUCLEI_AND_STROMA.values() for colour in place), (245, 245, 245)]
    cased = np.array(under) * (1 - CASING_ALPHA)
    assert contrast(cased, sorted(set(COLOURS.values()))).min() >= 2


def test_the_measured_colours_are_those_of_a_real_slide(shared):
    """Haematoxylin, told from eosin by deconvolution: the darkest part of it is nuclei."""
    with open_slide(shared / "slides" / "CMU-1-Small-Region.svs") as slide:
        image, _ = slide.read(0, Window(0, 0, 2967, 2220))
    haematoxylin = rgb2hed(image)[..., 0]
    dark = image[haematoxylin > np.percentile(haematoxylin, 97)].astype(float)
    for stored in (NUCLEI_AND_STROMA["nuclei of CMU-1-Small-Region"],):
        assert np.abs(np.median(dark, axis=0) - np.mean(stored, axis=0)).max() < 25


def test_a_class_keeps_its_colour_beside_classes_of_other_colours():
    for name, colour in COLOURS.items():
        assert colours(("stranger", name))[name] == colour


def test_no_two_of_a_dozen_classes_have_one_colour():
    """Not even where the table gives both the same, or gives none."""
    names = ("neoplastic", "macrophage", "a", "dead", "epithelial", "benign", *"bcdefg")
    given_out = colours(names)
    assert list(given_out) == list(names)
    assert given_out["neoplastic"] == COLOURS["neoplastic"]
    assert len(set(given_out.values())) == 12


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
    shares = dict(zip(names, np.eye(2, dtype=np.float32), strict=True))
    nuclei = Population(np.array([0, 1], np.uint8), shares, features, {})
    both = Membership.of([np.array([[0, 0], [0, 1]])], 1)
    columns = composition(both, nuclei, names, np.ones(1), CountError.of(names, {}))
    # No column of a class begins or ends like these.
    others = {"domain_distance", "out_of_domain"}
    assert set(columns) - others <= set(column_names(names))


def test_unions_are_read_as_settings_name_them():
    classes = ("neoplastic", "healthy epithelial", "dead", "other")
    lines = ["epithelial=neoplastic|healthy epithelial", " rest = dead | other "]
    unions = {"epithelial": classes[:2], "rest": ("dead", "other")}
    assert read_unions(lines, classes) == unions
    assert read_unions((), classes) == {}
    check_unions(unions, classes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("epithelial", "expected a union such as"),
        ("=a|b", "expected a union such as"),
        ("all=a", "`unions.all`: expected two classes or more"),
        ("all=a|a", "`unions.all`: expected two classes or more"),
        ("all=a|", "`unions.all` names ''"),
        ("A=a|b", "clash with the classes'"),
        ("nuclei=a|b", "two columns of a table would be `n_nuclei`"),
    ],
)
def test_unions_that_tables_would_mix_up_are_refused(line, message):
    with pytest.raises(ValueError, match=message):
        read_unions([line], ("a", "b", "c"))


def test_other_classes_keep_the_unions_that_are_still_there():
    unions = {"all": ("a", "b"), "some": ("b", "c")}
    assert unions_within(unions, ("a", "b", "new")) == {"all": ("a", "b")}
    assert unions_within(unions, ("a", "b", "c", "All")) == {"some": ("b", "c")}
