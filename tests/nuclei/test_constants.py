"""Constants of post-processing: from µm to pixels, rounded so that nothing passes below."""

import numpy as np
import pytest

from nucwsi.nuclei.constants import PixelConstants, PostProcessing, in_pixels
from nucwsi.nuclei.instances import slope_limit

CLASSES = ("large", "small")
FIXED = PostProcessing(0.5, 0.16, 3.0, {"small": 2.0, "large": 8.1}, 0.25)


def test_areas_are_divided_by_mpp_squared_and_slopes_multiplied_by_mpp():
    constants = in_pixels(FIXED, CLASSES, 0.5)
    assert constants.min_marker_px == 12  # 3 / 0.25
    assert constants.min_area_px.tolist() == [33, 8]  # 32.4 and 8, rounded up
    assert constants.edge_limit == slope_limit(0.08)
    assert constants.min_mean_np == 0.25


@pytest.mark.parametrize(
    ("threshold", "level"), [(0.5, 128), (0.2, 51), (128 / 255, 128), (0.503, 129), (1, 255)]
)
def test_no_value_below_the_threshold_reaches_the_level(threshold, level):
    """The level is rounded up: 0.5 lies between the stored values 127 and 128."""
    fixed = PostProcessing(threshold, 0.16, 1.0, {"any": 1.0})
    assert in_pixels(fixed, ("any",), 0.5).np_level == level
    assert (level - 1) / 255 < threshold <= level / 255 + 1e-8


def test_an_area_of_whole_pixels_is_not_rounded_up_for_its_floating_point():
    fixed = PostProcessing(0.5, 0.16, 1.0, {"any": 30 * 0.35**2})
    assert in_pixels(fixed, ("any",), 0.35).min_area_px.tolist() == [30]


def test_at_least_one_pixel_is_asked_for():
    constants = in_pixels(PostProcessing(0.5, 0.1, 0.0, {"any": 0.0}), ("any",), 0.5)
    assert constants.min_marker_px == 1
    assert constants.min_area_px.tolist() == [1]


def test_a_nucleus_at_both_limits_is_kept():
    constants = PixelConstants(128, 9, 1, np.array([10, 20]), 0.75, True, 0.25)
    area_px, code = np.array([10, 9, 20, 19, 20]), np.array([0, 0, 1, 1, 1], np.uint8)
    np_mean = np.array([0.75, 0.9, 0.75, 0.9, 0.74])
    assert constants.keeps(area_px, code, np_mean).tolist() == [True, False, True, False, False]
