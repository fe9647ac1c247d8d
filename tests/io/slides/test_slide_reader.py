"""Levels: how far each is reduced, whatever the scanner rounded."""

import pytest

from nucwsi.io.slides.slide_reader import level_of


@pytest.mark.parametrize(
    ("shape", "full", "expected"),
    [
        ((275, 325), (1100, 1300), (4.0, 4.0)),
        # 1101 / 275 is 4.0036, and 1103 / 276 is 3.996: rounded down and up.
        ((275, 276), (1101, 1103), (4.0, 4.0)),
        ((274, 325), (1100, 1300), (1100 / 274, 4.0)),
        ((1100, 1300), (1100, 1300), (1.0, 1.0)),
        ((1, 1), (3, 2), (3.0, 2.0)),
        ((400, 650), (1000, 1300), (2.5, 2.0)),
    ],
)
def test_a_downsample_is_whole_where_rounding_explains_the_size(shape, full, expected):
    level = level_of(shape, full, True, (256, 256))
    assert level.downsample == expected
    assert (level.shape, level.exact, level.tile_shape) == (shape, True, (256, 256))
