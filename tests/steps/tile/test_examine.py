"""A slide at first sight: its tissue on the slide, what is left out of it, and what is refused."""

from pathlib import Path

import pytest
from slides_made import picture, write_aperio

from nucwsi.config import TileSettings
from nucwsi.errors import SlideError
from nucwsi.grid import CELL_PX, Frame
from nucwsi.steps.tile.examine import examined, refuse_unreadable

#: 100 x 70 canvas pixels of 0.5 µm: the last cells reach beyond the canvas on both axes.
FRAME = Frame((100, 70), 0.5, (0.25, 0.2), (40.0, 60.0), (400, 400))


def test_as_much_as_the_limit_may_be_unreadable():
    refuse_unreadable(Path("a.svs"), 0.05, 0.05)
    with pytest.raises(SlideError, match=r"a\.svs: 5\.1% of it cannot be read, more than"):
        refuse_unreadable(Path("a.svs"), 0.051, 0.05)


def test_a_slide_is_seen_whole_and_closed_again(tmp_path):
    slide = write_aperio(tmp_path / "a.svs", picture())
    with examined(slide, TileSettings(), name="a", mpp=0.5, halo_px=48) as found:
        assert (found.facts.slide, found.facts.vendor, found.facts.halo_px) == ("a", "aperio", 48)
        assert found.facts.frame.shape == (550, 650)
        area_mm2 = found.tissue.found.sum() * (CELL_PX * 0.5) ** 2 / 1e6
        assert found.tissue_mm2 == pytest.approx(area_mm2, rel=0.02)
        assert found.lost == []
    assert [path.name for path in tmp_path.iterdir()].count("a.svs") == 1
