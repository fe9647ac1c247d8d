"""A slide at first sight: its tissue on the slide, what is left out of it, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from slides_made import picture, write_aperio
from stores import write_member

from nucwsi.config import TileSettings
from nucwsi.errors import SlideError
from nucwsi.grid import CELL_PX, Frame, Window
from nucwsi.models.card import read_cards
from nucwsi.steps.tile.examine import (
    Tissue,
    area_um2,
    examined,
    outlines_of,
    refuse_unreadable,
)

#: 100 x 70 canvas pixels of 0.5 µm: the last cells reach beyond the canvas on both axes.
FRAME = Frame((100, 70), 0.5, (0.25, 0.2), (40.0, 60.0), (400, 400))


def test_outlines_end_with_the_canvas():
    [outline] = outlines_of(np.ones((7, 5), bool), FRAME)
    (top, left), (low, right) = FRAME.to_level0(np.array([[0, 0], [100, 70]]))
    assert outline.equals(shapely.box(left, top, right, low))
    assert area_um2([outline], FRAME) == pytest.approx(100 * 70 * 0.5**2)


def test_each_piece_has_an_outline():
    mask = np.zeros((6, 4), bool)
    mask[0, 0] = mask[3:5, 2] = True
    large, small = outlines_of(mask, FRAME)
    cell_um2 = (CELL_PX * FRAME.mpp) ** 2
    assert area_um2([large], FRAME) == pytest.approx(2 * cell_um2)
    assert area_um2([small], FRAME) == pytest.approx(cell_um2)


@pytest.mark.parametrize(
    ("window", "gone"),
    [
        (Window(0, 0, 16, 16), (slice(0, 1), slice(0, 1))),
        (Window(15, 16, 2, 1), (slice(0, 2), slice(1, 2))),
        (Window(90, 60, 10, 10), (slice(5, 7), slice(3, 5))),
    ],
)
def test_every_cell_that_a_bad_window_touches_is_left_out(window, gone):
    everywhere = np.ones((7, 5), bool)
    tissue = Tissue(everywhere, everywhere, ~everywhere, everywhere)
    expected = everywhere.copy()
    expected[gone] = False
    left = tissue.without([window])
    np.testing.assert_array_equal(left.found, expected)
    np.testing.assert_array_equal(left.analysed, expected)
    assert everywhere.all(), "the mask itself is not changed"


def test_as_much_as_the_limit_may_be_unreadable():
    refuse_unreadable(Path("a.svs"), 0.05, 0.05)
    with pytest.raises(SlideError, match=r"a\.svs: 5\.1% of it cannot be read, more than"):
        refuse_unreadable(Path("a.svs"), 0.051, 0.05)


def test_a_slide_is_seen_whole_and_closed_again(tmp_path):
    slide = write_aperio(tmp_path / "a.svs", picture())
    cards = read_cards((str(write_member(tmp_path / "m.safetensors", halo_px=48)),))
    with examined(slide, TileSettings(), name="a", cards=cards) as found:
        assert (found.facts.slide, found.facts.vendor, found.facts.halo_px) == ("a", "aperio", 48)
        assert found.facts.frame.shape == (550, 650)
        area_mm2 = found.tissue.found.sum() * (CELL_PX * 0.5) ** 2 / 1e6
        assert found.tissue_mm2 == pytest.approx(area_mm2, rel=0.02)
        assert found.lost == []
    assert [path.name for path in tmp_path.iterdir()].count("a.svs") == 1
