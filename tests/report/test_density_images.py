"""Density maps as images: ramps that darken, one scale for all slides, transparent glass."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from shown import an_assessment

from nucwsi.classes import COLOURS
from nucwsi.report.density_images import (
    ClassEntry,
    colour_ramp,
    common_tops,
    density_panels,
    density_png,
    ramp_middle,
)


@pytest.mark.parametrize("colour", sorted(set(COLOURS.values())))
def test_a_ramp_darkens_all_along(colour):
    """So that it can be read without its colour."""
    luma = colour_ramp(colour)[1:] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luma) <= 0.5).all()
    assert luma[0] - luma[-1] > 100
    assert colour_ramp(colour)[0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(
        colour_ramp(colour)[1 + round(0.6 * 254)].astype(int), ramp_middle(colour), atol=2
    )


def test_only_pale_colours_are_darkened():
    assert ramp_middle((17, 106, 255)) == (17, 106, 255)
    pale = ramp_middle((215, 247, 215))
    assert np.dot(pale, (0.299, 0.587, 0.114)) == pytest.approx(190, abs=1)
    assert pale[1] > pale[0] == pale[2], "its hue stays"


def test_a_density_png_is_clear_where_nothing_is_known():
    png = density_png(np.array([[np.nan, 0.0], [50.0, 1e9]]), 100.0, (0, 158, 115))
    seen = np.asarray(Image.open(BytesIO(png)).convert("RGBA"))
    assert seen[0, 0, 3] == 0
    assert (seen[..., 3].ravel()[1:] == 255).all()
    assert tuple(seen[1, 1, :3]) == tuple(colour_ramp((0, 158, 115))[255])
    assert tuple(seen[0, 1, :3]) == tuple(colour_ramp((0, 158, 115))[1])


def test_a_class_has_one_scale_on_all_slides():
    """The 99.5th percentile over all slides that have the class, rounded up."""
    one, other = an_assessment(classes=("a", "b")), an_assessment(classes=("b",))
    densities = [np.zeros((2, 1, 100)), np.full((1, 1, 100), 420.0)]
    densities[0][0] = np.nan
    densities[0][0, 0, 0] = 151
    classes = [ClassEntry("a", (0, 0, 0)), ClassEntry("b", (0, 0, 0))]
    assert common_tops([one, other], densities, classes) == [200, 500]
    assert common_tops([one], densities[:1], classes) == [200, 10], "no nuclei: the least scale"


def test_a_slide_shows_only_its_own_classes():
    slide = an_assessment(classes=("b",))
    classes = [ClassEntry("a", (0, 0, 0)), ClassEntry("b", (9, 9, 9))]
    shown = density_panels(slide, np.zeros((1, 2, 40)), classes, [10, 50])
    assert [(panel.name, panel.top) for panel in shown.panels] == [("b", 50)]
    assert shown.size == (40, 2)
    assert shown.bar.text == "200 µm", "of 40 cells of 25 µm"
