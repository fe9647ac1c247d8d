"""Focus: a blurred patch is found wherever it lies, and nothing on sharp slides."""

import numpy as np
import pytest
import rasterio.features
import shapely
from scipy import ndimage
from skimage.measure import blur_effect

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.slide import open_slide
from nucwsi.report import focus as module
from nucwsi.report.focus import (
    FIELD_PX,
    STEP_PX,
    Focus,
    blurred_patches,
    brightness,
    field_blurs,
    measure_focus,
)
from nucwsi.report.quality import MAX_BLUR
from nucwsi.slide.tissue import find_tissue


def texture(shape, seed=0):
    """Nuclei and fibres, as far as blur is concerned."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = ndimage.gaussian_filter(noise, 1.2)
    return (128 + 40 * smooth / smooth.std()).clip(0, 255).astype(np.float32)


def test_a_field_has_the_blur_that_scikit_image_measures():
    grey = ndimage.gaussian_filter(texture((256, 320)), 0.8)
    found = field_blurs(grey)
    assert found.shape == (3, 4)
    for row in range(3):
        for column in range(4):
            top, left = row * STEP_PX, column * STEP_PX
            field = grey[top : top + FIELD_PX, left : left + FIELD_PX]
            # Theirs leaves out the edge of a field, and sees nothing beyond it.
            assert found[row, column] == pytest.approx(blur_effect(field, h_size=11), abs=0.02)
    assert (field_blurs(np.full((128, 128), 240, np.float32)) == 0).all()


@pytest.mark.parametrize("corner", [(128, 128), (150, 170), (192, 320)])
def test_a_blurred_patch_is_found_wherever_it_lies(corner):
    grey = texture((1024, 1024))
    assert not blurred_patches(Focus(field_blurs(grey), 32.0)).any()
    row, column = corner
    at = (slice(row, row + 256), slice(column, column + 256))
    grey[at] = ndimage.gaussian_filter(grey, 4)[at]
    found = blurred_patches(Focus(field_blurs(grey), 32.0))
    rows, columns = np.nonzero(found)
    assert 6 <= found.sum() <= 36
    assert abs(rows.mean() * STEP_PX + 32 - (row + 128)) < 64
    assert abs(columns.mean() * STEP_PX + 32 - (column + 128)) < 64


def test_a_soft_slide_is_not_all_patches_and_a_blurred_one_is():
    soft = np.full((20, 20), 0.44, np.float32)
    soft[3, 3] = soft[3, 4] = 0.5
    assert not blurred_patches(Focus(soft, 32.0)).any(), "no more than the rest of a soft slide"
    soft[3, 3] = soft[3, 4] = 0.6
    assert blurred_patches(Focus(soft, 32.0)).sum() == 6, "two fields of 2 x 2 steps, side by side"
    soft[3, 4] = np.nan
    assert not blurred_patches(Focus(soft, 32.0)).any(), "a single field may be chance"
    assert blurred_patches(Focus(np.full((20, 20), MAX_BLUR + 0.01), 32.0)).all()
    assert not blurred_patches(Focus(np.full((1, 1), np.nan), 32.0)).any()


def test_fields_are_measured_on_tissue_alone(small_slide):
    frame = Frame((800, 1050), 0.5, (0.25, 0.25), (0.0, 0.0), (1600, 2100))
    piece = np.array([shapely.box(200, 100, 700, 500)], object)
    with open_slide(small_slide) as slide:
        focus = measure_focus(slide, frame, piece)
        none = measure_focus(slide, frame, piece[:0])
        window = Window(128, 256, FIELD_PX, FIELD_PX)
        image = slide.read(0, Window(256, 512, 256, 256))[0].reshape(128, 2, 128, 2, 3)
    assert focus.blur.shape == (800 // STEP_PX, 1050 // STEP_PX)
    rows, columns = np.nonzero(np.isfinite(focus.blur))
    # A field reaches 128 px from its corner; three quarters of it are tissue.
    assert (rows.min(), rows.max()) == (1, 6)
    assert (columns.min(), columns.max()) == (3, 9)
    whole = blur_effect(image.mean(axis=(1, 3, 4)), h_size=11)
    assert focus.blur[window.row // STEP_PX, window.column // STEP_PX] == pytest.approx(
        whole, abs=0.03
    )
    assert np.isnan(none.blur).all()


def test_threads_change_nothing_and_windows_come_in_order(small_slide, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_STEPS", 3)
    frame = Frame((800, 1050), 0.5, (0.25, 0.25), (0.0, 0.0), (1600, 2100))
    piece = np.array([shapely.box(200, 100, 900, 700)], object)
    looks = []
    with open_slide(small_slide) as slide:
        for threads in (1, 3):
            seen = []
            focus = measure_focus(slide, frame, piece, lambda *one, s=seen: s.append(one), threads)
            looks.append((focus.blur, seen))
    (blur, seen), (blur3, seen3) = looks
    np.testing.assert_array_equal(blur, blur3)
    assert len(seen) > 4
    places = [(window.row, window.column) for window, _ in seen]
    assert places == sorted(places)
    for one, three in zip(seen, seen3, strict=True):
        assert one[0] == three[0]
        np.testing.assert_array_equal(one[1], three[1])


def test_brightness_is_the_mean_of_the_colours():
    total = np.arange(766)
    image = np.stack([(total - 255 * k).clip(0, 255) for k in range(3)], -1).astype(np.uint8)[None]
    np.testing.assert_array_equal(brightness(image), image.astype(np.float32).mean(axis=2))


def tissue_outlines(slide, frame):
    """Outlines of the tissue of a slide, x and y in canvas pixels."""
    overview, _ = SlideCanvas(slide, frame).overview(16, 2)
    found = find_tissue(overview, 60).astype(np.uint8)
    shapes = [shapely.geometry.shape(one) for one, _ in rasterio.features.shapes(found, found > 0)]
    return shapely.transform(np.array(shapes, object), lambda xy: xy * 16)


@pytest.mark.parametrize(
    ("name", "mpp", "patches"),
    [
        ("CMU-1-Small-Region.svs", 0.499, 0),
        ("HE-example.ome.tif", 0.5, 1),
        ("OS-1-detail.ome.tif", 0.227, 0),
    ],
)
def test_the_one_real_patch_is_found_and_sharp_slides_have_none(shared, name, mpp, patches):
    """The patch of HE-example is smaller than 100 µm."""
    with open_slide(shared / "slides" / name) as slide:
        height, width = slide.levels[0].shape
        shape = (round(height * mpp / 0.5), round(width * mpp / 0.5))
        frame = Frame(shape, 0.5, (mpp, mpp), (0.0, 0.0), (height, width))
        focus = measure_focus(slide, frame, tissue_outlines(slide, frame))
    _, n_found = ndimage.label(blurred_patches(focus), np.ones((3, 3)))
    assert np.isfinite(focus.blur).sum() > 30
    assert n_found == patches
