"""What a report is made from: chosen fields, densities, quality, drawings."""

import json

import numpy as np
import pytest
import shapely
from scipy import ndimage

from nucwsi.classes import COLOURS
from nucwsi.grid import Frame
from nucwsi.report.checks import checks
from nucwsi.report.density import density_maps, tissue_mask
from nucwsi.report.fields import Choice, chosen_fields, field_sums
from nucwsi.report.imagery import field_window, path_data
from nucwsi.report.packed_density import packed_density, unpacked_density
from nucwsi.report.page import scale_bar
from nucwsi.report.quality import blur, dark_share, outliers, typical_diameter
from nucwsi.report.ramps import density_png, ramp

# --- Which fields are shown


def test_fields_are_chosen_by_rule():
    n = np.array([[0, 3, 30], [30, 12, 20]])
    certainty = np.array([[np.nan, 0.1, 0.9], [0.8, 0.5, 0.6]])
    sums = field_sums(
        *np.repeat(np.argwhere(n >= 0), n.ravel(), axis=0).T * 10.0 + 5,
        np.repeat(certainty.ravel(), n.ravel()),
        n.shape,
        10,
    )
    np.testing.assert_array_equal(sums.n_nuclei, n)
    np.testing.assert_allclose(sums.certainty, certainty)
    tissue = np.array([[0.9, 0.4, 1], [1, 1, 1]])
    chosen = chosen_fields(sums, tissue, 2, seed=1)
    assert chosen[:4] == [
        Choice("densest", 0, 2),
        Choice("densest", 1, 0),  # a tie keeps the raster's order
        Choice("uncertain", 1, 1),
        Choice("uncertain", 1, 2),  # of the field with three nuclei nothing can be said
    ]
    assert chosen[4:] == [Choice("random", 0, 0)], "the only other field with tissue"
    assert len({choice[1:] for choice in chosen}) == len(chosen)


def test_another_seed_draws_other_fields_and_nothing_else():
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 1000, (2, 5000))
    sums = field_sums(*place, rng.uniform(0.3, 1, 5000), (10, 10), 100)
    drawn = {seed: chosen_fields(sums, np.ones((10, 10)), 4, seed) for seed in (1, 2)}
    assert drawn[1] == chosen_fields(sums, np.ones((10, 10)), 4, 1)
    assert drawn[1][:8] == drawn[2][:8]
    assert drawn[1][8:] != drawn[2][8:]


# --- Densities


def test_densities_are_right_inside_and_at_the_edge():
    rng = np.random.default_rng(0)
    tissue = np.zeros((80, 100), bool)
    tissue[:, :60] = True
    row, column = rng.uniform(0, 80, 40000), rng.uniform(0, 60, 40000)
    code = (rng.random(40000) < 0.25).astype(np.uint8)
    maps = density_maps(row, column, code, 2, tissue, cell_um=25.0)
    expected = 40000 / (80 * 60 * 0.025**2)
    assert maps.shape == (2, 80, 100)
    assert np.isnan(maps[:, ~tissue]).all()
    np.testing.assert_allclose(maps.sum(axis=0)[tissue].mean(), expected, rtol=0.01)
    np.testing.assert_allclose(np.nanmean(maps[1] / maps.sum(axis=0)), 0.25, atol=0.01)
    edge = maps.sum(axis=0)[:, 58:60].mean()
    np.testing.assert_allclose(edge, expected, rtol=0.1, err_msg="the edge must not look sparse")


def test_densities_survive_packing():
    maps = np.full((2, 5, 7), np.nan)
    maps[:, 1:4] = np.random.default_rng(0).uniform(0, 9000, (2, 3, 7))
    found = unpacked_density(json.loads(json.dumps(packed_density(maps, 25.0))))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(maps))
    np.testing.assert_allclose(found, maps, atol=0.005 * 9000)
    assert np.isnan(unpacked_density(packed_density(np.full((1, 2, 2), np.nan), 25.0))).all()


def test_tissue_is_laid_on_cells():
    mask = tissue_mask(np.array([shapely.box(32, 16, 64, 48)], object), (4, 5), 16)
    assert np.argwhere(mask).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    assert not tissue_mask(np.empty(0, object), (4, 5), 16).any()


@pytest.mark.parametrize("colour", sorted(set(COLOURS.values())))
def test_a_ramp_darkens_all_along(colour):
    """So that it can be read without its colour."""
    luma = ramp(colour)[1:] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luma) <= 0.5).all()
    assert luma[0] - luma[-1] > 100
    assert ramp(colour)[0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(ramp(colour)[1 + round(0.6 * 254)].astype(int), colour, atol=2)


# --- Quality


def test_a_wrong_mpp_shows_in_the_diameter():
    """Also where a network finds many crumbs beside the nuclei."""
    nuclei = np.full(1000, np.pi * 3.0**2)
    assert typical_diameter(nuclei) == pytest.approx(6)
    crumbs = np.full(2000, np.pi * 0.7**2)
    assert typical_diameter(np.concatenate([nuclei, crumbs])) == pytest.approx(6)
    assert np.isnan(typical_diameter(np.empty(0)))


def test_blur_grows_with_blurring(shared):
    from nucwsi.grid import Window
    from nucwsi.io.slides.slide import open_slide

    with open_slide(shared / "slides" / "CMU-1-Small-Region.svs") as slide:
        field, _ = slide.read(0, Window(900, 900, 256, 256))
    seen = [blur(np.stack([ndimage.gaussian_filter(c, s) for c in field.T], -1)) for s in (0, 1, 2)]
    assert seen[0] < seen[1] < seen[2]
    assert seen[0] < 0.4
    assert seen[2] > 0.45
    assert blur(np.full((64, 64, 3), 240, np.uint8)) == 0


def test_dark_bands_are_measured_and_nuclei_are_not():
    overview = np.full((100, 100, 3), 200, np.uint8)
    tissue = np.ones((100, 100), bool)
    overview[::7, ::7] = 60
    assert dark_share(overview, tissue) == 0
    overview[40:50] = 90
    assert dark_share(overview, tissue) == pytest.approx(0.1, abs=0.01)
    assert dark_share(overview, np.zeros((100, 100), bool)) == 0


def test_outliers_need_company():
    values = np.array([4.0, 4.1, 3.9, 4.05, 9.0, np.nan])
    assert outliers(values).tolist() == [False, False, False, False, True, False]
    assert not outliers(values[[0, 1, 2, 4]]).any()
    assert not outliers(np.array([5.0, 5.0, 5.0, 5.0, 5.01])).any(), "a hair's breadth"


def test_every_fault_is_something_to_look_at():
    sound = {
        "facts": {
            "frame": {"level0_mpp": [0.25, 0.25]},
            "mpp_source": "vendor",
            "status": "ok",
            "bad_tiles": [],
            "n_dropped": {"a": 1},
        },
        "seams": {
            "exact": True,
            "visible": False,
            "density_ratio": 1.0,
            "density_z": 0.1,
            "cut_z": 0.1,
            "n_seam": 5,
            "cut_seam": 1,
        },
        "quality": {
            "diameter_um": 6.0,
            "certainty": 0.8,
            "blur": [0.2] * 9,
            "ink_mm2": 0.0,
            "dark": 0.0,
            "at_edge": 0,
        },
        "morphometry": [{"n": 500}],
    }

    def looked_at(part, **changed):
        found = checks({**sound, part: {**sound[part], **changed}})
        return {check.name: check for check in found if check.verdict == "look"}

    assert looked_at("facts") == {}
    assert "too small" in looked_at("quality", diameter_um=3.8)["Nuclear diameter"].text
    assert "too large" in looked_at("quality", diameter_um=10.2)["Nuclear diameter"].text
    assert looked_at("quality", blur=[0.2] * 7 + [0.6] * 2)["Focus"].value == "22 % blurred"
    assert "3 tiles" in looked_at("facts", status="degraded", bad_tiles=[[]] * 3)["Reading"].value
    assert list(looked_at("seams", visible=True)) == ["Tile seams"]
    assert "not local" in looked_at("seams", exact=False)["Model"].text
    few = {**sound, "morphometry": [{"n": 20}], "quality": {**sound["quality"], "diameter_um": 12}}
    assert all(check.verdict != "look" for check in checks(few)), "of 20 nuclei nothing follows"


def test_scale_bars_fit():
    for width in (30, 128, 999, 20000, 1e6):
        length, share = scale_bar(width)
        assert share == pytest.approx(length / width)
        assert share <= 1 / 3


def test_outlines_are_drawn_where_they_are():
    ring = shapely.Polygon(
        [(10, 20), (14, 20), (14, 26), (10, 26)], [[(11, 21), (12, 21), (12, 22)]]
    )
    crumb = shapely.box(10, 20, 10.01, 20.01)
    path = path_data(np.array([ring, crumb], object), (2.0, 0.5), (10, 20))
    assert path == "M0 0l80 0 0 30 -80 0zM20 5l20 0 0 5z"


def test_a_density_png_is_clear_where_nothing_is_known():
    from io import BytesIO

    from PIL import Image

    png = density_png(np.array([[np.nan, 0.0], [50.0, 1e9]]), 100.0, (0, 158, 115))
    seen = np.asarray(Image.open(BytesIO(png)).convert("RGBA"))
    assert seen[0, 0, 3] == 0
    assert (seen[..., 3].ravel()[1:] == 255).all()
    assert tuple(seen[1, 1, :3]) == tuple(ramp((0, 158, 115))[255])
    assert tuple(seen[0, 1, :3]) == tuple(ramp((0, 158, 115))[1])


# --- Where a field lies


@pytest.mark.parametrize("level0_mpp", [0.25, 0.2527, 0.499, 0.5034])
def test_a_field_is_shown_where_its_nuclei_were_counted(level0_mpp):
    """However far from the corner, whatever the slide's own resolution."""
    side = round(80000 * 0.5 / level0_mpp)
    frame = Frame((80000, 80000), 0.5, (level0_mpp, level0_mpp), (0.0, 0.0), (side, side))
    for place in ((0, 0), (3, 200), (300, 7)):
        view, window = field_window(frame, place, 128.0, level0_mpp)
        shown = view.to_level0(np.array([[window.row, window.column]], float))
        counted = frame.to_level0(np.array([place], float) * 256)
        np.testing.assert_allclose(shown, counted, atol=0.51)
        assert window.shape == (round(128 / level0_mpp),) * 2
