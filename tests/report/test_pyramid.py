"""The tiles of the viewer's image show the slide."""

import numpy as np
import pytest
import simplejpeg

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.slide import open_slide
from nucwsi.report import pyramid


def block_means(image, factor):
    """Average blocks; one that the edge cuts is filled by repeating the edge."""
    rows, columns = (-(-side // factor) for side in image.shape[:2])
    y, x = (
        np.arange(n * factor).clip(0, side - 1)
        for n, side in zip((rows, columns), image.shape, strict=False)
    )
    blocks = image[y][:, x].reshape(rows, factor, columns, factor, 3).mean(axis=(1, 3))
    return np.floor(blocks + 0.5)


@pytest.mark.parametrize("shape", [(90, 121), (91, 120), (1, 1), (1, 8), (512, 512)])
def test_blocks_are_averaged_and_cut_ones_repeat_the_edge(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    np.testing.assert_array_equal(pyramid._halved(image), block_means(image, 2))


@pytest.mark.parametrize("side", [512, 32])
def test_a_pyramid_shows_the_slide(small_slide, tmp_path, monkeypatch, side):
    """Full resolution where there is tissue, from afar the whole slide; levels are halves."""
    frame = Frame((800, 1050), 0.5, (0.25, 0.25), (0.0, 0.0), (1600, 2100))
    tissue = np.zeros((50, 66), bool)
    tissue[40, 60] = True
    monkeypatch.setattr(pyramid, "TILE_PX", side)
    with open_slide(small_slide) as slide:
        wanted = pyramid.tiles_with_tissue(tissue, frame.shape)
        made = pyramid.write_pyramid(slide, frame, wanted, tmp_path, 95, 1)
        whole = SlideCanvas(slide, frame).read(Window(0, 0, 800, 1050))[0]
    assert made.max_level == 11
    assert [path.name for path in (tmp_path / "11").iterdir()] == [
        f"{960 // side}_{640 // side}.jpg"
    ]
    for level in range(made.min_level, 12):
        factor = 2 ** (11 - level)
        expected = block_means(whole, factor)
        for path in (tmp_path / str(level)).iterdir():
            column, row = map(int, path.stem.split("_"))
            part = expected[row * side :, column * side :][:side, :side]
            seen = simplejpeg.decode_jpeg(path.read_bytes()).astype(int)
            assert seen.shape == part.shape
            sides = seen.shape[:2]
            if 1 < factor < 16:
                # Beside the tissue a magnified overview: right on the whole only.
                seen, part = seen.mean(axis=(0, 1)), part.mean(axis=(0, 1))
            if min(sides) > 2:  # the last cells of an overview reach beyond the slide
                assert np.abs(seen - part).mean() < 5


def test_a_tile_exists_if_it_holds_a_cell_of_tissue():
    """Tiles of 512 canvas pixels hold 32 x 32 cells; the last ones reach beyond the canvas."""
    tissue = np.zeros((40, 70), bool)
    tissue[31, 31] = tissue[32, 64] = True
    assert pyramid.tiles_with_tissue(tissue, (630, 1110)).tolist() == [
        [True, False, False],
        [False, False, True],
    ]
