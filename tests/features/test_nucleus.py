"""All features of a nucleus: they depend on the slide and the outline alone."""

import numpy as np
import shapely

from nucwsi.features.nucleus import MARGIN_PX, MPP, NAMES, nucleus_features
from nucwsi.phantom import Phantom


def seen():
    """A phantom at the resolution of features, and the outlines of its nuclei."""
    phantom = Phantom((900, 900), seed=3, mpp=MPP)
    outlines = np.array([phantom.polygon(one) for one in phantom.nuclei()], object)
    return phantom.paint(), outlines


IMAGE, OUTLINES = seen()


def test_there_are_nuclei_and_their_features_are_finite_and_named():
    found = nucleus_features(IMAGE, (0, 0), OUTLINES)
    assert found.shape == (len(OUTLINES), len(NAMES))
    assert len(OUTLINES) > 50
    assert np.isfinite(found).all()
    assert len(set(NAMES)) == len(NAMES)
    area = found[:, NAMES.index("area_um2")]
    np.testing.assert_allclose(area, shapely.area(OUTLINES) * MPP**2, rtol=1e-3)


def test_a_nucleus_has_the_same_features_alone_as_among_all():
    together = nucleus_features(IMAGE, (0, 0), OUTLINES)
    for at in range(0, len(OUTLINES), 7):
        alone = nucleus_features(IMAGE, (0, 0), OUTLINES[at : at + 1])
        np.testing.assert_array_equal(alone[0], together[at])


def test_a_nucleus_has_the_same_features_in_whatever_window_holds_its_margin():
    together = nucleus_features(IMAGE, (0, 0), OUTLINES)
    bounds = shapely.bounds(OUTLINES)
    # Cells are larger than the margin, but what lies beyond it is not looked at.
    inner = np.flatnonzero(
        (bounds[:, :2] > MARGIN_PX + 60).all(axis=1) & (bounds[:, 2:] < 840 - MARGIN_PX).all(axis=1)
    )
    assert len(inner) > 20
    for at in inner[::5]:
        left, top = (bounds[at, :2].astype(int) - MARGIN_PX).tolist()
        right, low = (np.ceil(bounds[at, 2:]).astype(int) + MARGIN_PX).tolist()
        cut = nucleus_features(IMAGE[top:low, left:right], (top, left), OUTLINES[at : at + 1])
        np.testing.assert_array_equal(cut[0], together[at])


def test_neighbours_that_overlap_take_nothing_from_each_other():
    one = OUTLINES[:1]
    twice = np.concatenate([one, shapely.buffer(one, 3)])
    np.testing.assert_array_equal(
        nucleus_features(IMAGE, (0, 0), twice)[0], nucleus_features(IMAGE, (0, 0), one)[0]
    )


def test_a_darker_nucleus_has_more_haematoxylin():
    outline = np.array([shapely.Point(40, 40).buffer(8)], object)
    image = np.full((80, 80, 3), 235, np.uint8)
    means = []
    for colour in ((150, 120, 190), (80, 50, 140)):
        image[30:50, 30:50] = colour
        means.append(nucleus_features(image, (0, 0), outline)[0, NAMES.index("haematoxylin_mean")])
    assert means[0] + 0.2 < means[1]
