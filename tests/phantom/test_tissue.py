"""The anatomy of the scene tissue: organs on tissue, outside of the corner; fibres flow around."""

import numpy as np
import pytest

from nucwsi.grid import Window
from nucwsi.phantom.anatomy import Anatomy
from nucwsi.phantom.tissue import Tissue

ANATOMY = Tissue((3000, 4000), 0.25, 1, (2048.0, 3072.0, 168.0))
ORGANS = ANATOMY.organs.near(Window(0, 0, 3000, 4000))


def test_the_demo_slide_has_every_kind_of_organ():
    assert {organ.kind for organ in ORGANS} == {"gland", "nest", "vessel", "fat", "follicle"}
    for organ in ORGANS:
        assert ANATOMY.tissue(*organ.centre) > 0
        assert ANATOMY.corner(*organ.centre) < 0


def test_an_organ_is_inside_itself_and_the_rest_outside():
    for organ in ORGANS[::5]:
        assert ANATOMY.outside(*organ.centre) < 0
        away = organ.centre + 1.02 * (organ.outline - organ.centre)
        assert np.median(ANATOMY.outside(*away.T)) > 0
    assert ANATOMY.outside(2990.0, 10.0) == 60


def test_what_is_outside_does_not_depend_on_what_else_is_asked():
    rows, columns = np.mgrid[400:900:37.0, 500:1500:41.0]
    whole = ANATOMY.outside(rows, columns)
    for at in ((0, 0), (5, 9), (13, 24)):
        assert ANATOMY.outside(rows[at], columns[at]) == pytest.approx(whole[at], abs=1e-4)


def test_fibres_run_along_the_rim_of_an_organ():
    straight = Anatomy(ANATOMY.shape, ANATOMY.mpp, ANATOMY.seed, ANATOMY.sheet)
    bent, unbent = [], []
    for gland in [organ for organ in ORGANS if organ.kind == "gland"][:12]:
        rim = gland.centre + 1.03 * (gland.outline[::4] - gland.centre)
        out = np.arctan2(*(rim - gland.centre).T)
        for anatomy, found in ((ANATOMY, bent), (straight, unbent)):
            angles = np.array([anatomy.fibre_angle(*place) for place in rim.tolist()])
            found.append(np.abs(np.cos(angles - out)).mean())
    assert np.mean(bent) < np.mean(unbent) - 0.05
