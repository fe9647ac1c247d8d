"""The part of a slide that is analysed: tissue, a mask of it, or the drawn regions alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
import shapely
from PIL import Image

from nucwsi.config import TileSettings
from nucwsi.errors import ConfigError, RegionError, SlideError
from nucwsi.grid import CELL_PX, Frame, Window
from nucwsi.nuclei.within import REGION_MARGIN_UM
from nucwsi.steps.tile.area import PackedTissue, Tissue, area_um2, outlines_of, tissue_of

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


@pytest.mark.parametrize("whole", [True, False])
def test_a_packed_tissue_comes_back_as_it_was(whole):
    rng = np.random.default_rng(3)
    found, analysed, all_of_it = rng.random((3, 13, 7)) < 0.5
    tissue = Tissue(found, analysed, np.zeros((13, 7), bool), found)
    if whole:
        tissue = replace(tissue, only=shapely.box(0, 0, 5, 5), whole=all_of_it)
    packed = PackedTissue.of(tissue)
    assert sum(bits.nbytes for bits in packed.bits.values()) <= 5 * 12
    back = packed.unpacked()
    for name in ("found", "analysed", "unreadable", "stained", "whole"):
        before, after = getattr(tissue, name), getattr(back, name)
        assert (before is None and after is None) or np.array_equal(before, after)
    assert (back.drawn, back.only) == (tissue.drawn, tissue.only)
    assert back.found is back.stained, "what was one mask is one mask"


#: 1,600 x 2,400 canvas pixels of 0.5 µm, 100 x 150 cells of 8 µm; level 0 begins elsewhere.
LARGE = Frame((1600, 2400), 0.5, (0.25, 0.25), (100.0, 300.0), (3400, 5200))
CELLS = (100, 150)
NOWHERE = np.zeros(CELLS, bool)


def write_regions(path, *boxes, labels=None):
    """Write boxes (row, column, row stop, column stop) in canvas pixels as QuPath does."""
    features = []
    for number, (top, left, low, right) in enumerate(boxes):
        shape = shapely.box(left * 2, top * 2, right * 2, low * 2)
        label = {"classification": {"name": labels[number]}} if labels else {}
        properties = {"objectType": "annotation", **label}
        geometry = shapely.geometry.mapping(shape)
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def analysed(detected=None, regions=(), **settings):
    detected = NOWHERE | True if detected is None else detected
    return tissue_of(detected, NOWHERE, LARGE, TileSettings(**settings), regions)


def test_detected_tissue_has_a_margin_and_all_has_none():
    spot = NOWHERE.copy()
    spot[50, 70] = True
    tissue = analysed(spot, tissue_margin_um=16)
    np.testing.assert_array_equal(tissue.found, spot)
    assert tissue.analysed.sum() == 25
    everything = analysed(spot, tissue="all")
    assert everything.found.all()
    assert everything.analysed.all()
    np.testing.assert_array_equal(everything.stained, spot)


def test_outlines_say_where_the_tissue_is(tmp_path):
    mask = write_regions(tmp_path / "m.geojson", (160, 320, 480, 804), (900, 10, 1000, 100))
    tissue = analysed(NOWHERE, tissue=str(mask), tissue_margin_um=0)
    np.testing.assert_array_equal(tissue.analysed, tissue.found)
    first = np.flatnonzero(tissue.found.any(1))[0], np.flatnonzero(tissue.found[10:30].any(0))[0]
    assert first == (10, 20)
    assert area_um2(tissue.outlines(LARGE), LARGE) == pytest.approx(
        (320 * 484 + 100 * 90) * 0.25
    ), "their own area, not that of their cells"
    assert tissue.only is None


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_picture_says_where_the_tissue_is(tmp_path, suffix):
    mask = np.zeros((200, 300), np.uint8)
    mask[20:60, 40:100] = 255
    Image.fromarray(mask).save(tmp_path / f"m{suffix}")
    tissue = analysed(NOWHERE, tissue=str(tmp_path / f"m{suffix}"), tissue_margin_um=0)
    expected = NOWHERE.copy()
    expected[10:30, 20:50] = True
    np.testing.assert_array_equal(tissue.found, expected)


def test_a_mask_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="`tissue` is 'atuo', which is no file; expected auto or"):
        analysed(tissue="atuo")
    Image.fromarray(np.zeros((300, 200), np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(SlideError, match="300 x 200 px does not have the proportions of the slide"):
        analysed(tissue=str(tmp_path / "m.png"))
    ignored = write_regions(tmp_path / "i.geojson", (0, 0, 9, 9), labels=["Ignore*"])
    with pytest.raises(RegionError, match="nothing is left of its regions"):
        analysed(tissue=str(ignored))


def test_only_the_regions_and_what_surrounds_their_nuclei_are_analysed(tmp_path):
    path = write_regions(
        tmp_path / "r.geojson",
        (800, 800, 1200, 1600),
        (900, 900, 1000, 1000),
        labels=["T", "Ignore*"],
    )
    half = NOWHERE.copy()
    half[:, :80] = True
    tissue = analysed(half, regions=[path], only_regions=True, tissue_margin_um=0)
    margin = int(np.ceil(REGION_MARGIN_UM / (CELL_PX * LARGE.mpp)))
    rows, columns = (np.flatnonzero(tissue.analysed.any(axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (50 - margin, 74 + margin)
    assert (columns[0], columns[-1]) == (50 - margin, 79)
    assert area_um2(tissue.outlines(LARGE), LARGE) == pytest.approx(
        (400 * 480 - 100 * 100) * 0.25
    ), "the tissue in the regions, without what is ignored"
    assert tissue.only.area == pytest.approx(4 * (400 * 800 - 100 * 100))
    assert area_um2(tissue.everywhere.outlines(LARGE), LARGE) == pytest.approx(1600 * 1280 * 0.25)


def test_regions_that_are_not_there_are_asked_for(tmp_path):
    with pytest.raises(ConfigError, match="`only_regions` is set, and the slide has no regions"):
        analysed(only_regions=True)
    far = write_regions(tmp_path / "r.geojson", (9000, 9000, 9100, 9100))
    with pytest.raises(RegionError, match="lies outside the slide"):
        analysed(only_regions=True, regions=[far])
    # Regions that are not asked for are not read.
    assert analysed(regions=[tmp_path / "none.geojson"]).only is None
