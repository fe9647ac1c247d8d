"""Members at another mpp: their pixels lie on the canvas, not on the window."""

import numpy as np
import pytest
import torch

from nucwsi.models.resolution import OwnPixels, margin_on_canvas, resampled, shown_in_margin
from nucwsi.slide.resample import scale_taps

SCALES = (0.35 / 0.25, 0.3 / 0.25, 0.5 / 0.35, 2.0, 10 / 3, 4.0)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("stride", [1, 4, 16, 64])
def test_a_member_sees_in_its_margin_what_the_margin_was_made_for(scale, stride):
    for own_px in range(0, 10 * stride, stride):
        margin_px = margin_on_canvas(own_px, scale, stride)
        assert shown_in_margin(margin_px, scale, stride) >= own_px
        assert shown_in_margin(margin_px - 2, scale, stride) < own_px or own_px == 0


def test_a_member_at_the_mpp_of_the_canvas_needs_no_more_than_its_halo():
    assert margin_on_canvas(288, 1.0) == 288


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("stride", [1, 4, 16])
def test_a_window_shows_whole_cells_and_all_that_its_answer_is_made_of(scale, stride):
    halo_px, pixels = 3 * stride, OwnPixels(scale, stride)
    margin_px = margin_on_canvas(halo_px, scale, stride)
    for first in (-300, -1, 0, 1, 7, 256, 99_999):
        for length in (1, 16, 63, 256):
            shown, back, known = (
                each[0] for each in pixels.window((length, 1), (first, 0), margin_px, halo_px)
            )
            start = scale_taps(first, first + length, 1 / scale, 0.0).first - back.first
            assert start % stride == 0
            n_answered = shown.source.shape[1] - 2 * halo_px
            assert n_answered % stride == 0
            assert back.first >= 0
            assert back.stop - start <= n_answered
            assert back.source.shape[1] == length
            # What lies beyond the known pixels is of cells that only the size of the window asks
            # for: not within the halo of a pixel that the answer is made of.
            seen = shown.source[:, : back.stop - start + 2 * halo_px] + shown.first
            assert known == first - margin_px
            assert seen.min() >= known
            assert seen[shown.weight[:, : seen.shape[1]] > 0].max() < first + length + margin_px


@pytest.mark.parametrize("scale", SCALES)
def test_all_windows_show_the_same_pixels_and_bring_back_the_same_values(scale):
    rng = np.random.default_rng(1)
    picture = torch.from_numpy(rng.random((3, 300, 40), np.float32))
    answer = torch.from_numpy(rng.random((2, 300, 300), np.float32))
    pixels = OwnPixels(scale, 4)
    shown, brought = {}, {}
    for row, height in [(0, 200), (37, 64), (100, 16), (101, 17)]:
        window = pixels.window((height, 40), (row, 0), 30, 0)
        taps, back = window.shown[0], window.back[0]
        # Where the member's cells begin: the same pixel, counted by the canvas and by the window.
        start = scale_taps(row, row + height, 1 / scale, 0.0).first - back.first
        seen = resampled(picture, taps, window.shown[1], (-30, -30))
        lines_of = taps.source.T + taps.first
        for at, (value, lines) in enumerate(zip(seen[0, :, 9], lines_of, strict=True)):
            if max(0, row - 30) <= lines.min() and lines.max() < row + height + 30:
                assert shown.setdefault(start + at, value.item()) == value
        values = resampled(answer[:, start + 4 :], back, window.back[1], (-4, -4))
        for at, value in enumerate(values[0, :, 9]):
            assert brought.setdefault(row + at, value.item()) == value
    assert len(shown) > 40
    assert len(brought) == 200


@pytest.mark.parametrize("scale", SCALES)
def test_a_slope_stays_where_it_lies_on_the_canvas(scale):
    """Averaged over larger pixels and interpolated again, a plane is not shifted."""
    middle = torch.arange(400.0) + 0.5
    plane = (2 * middle[:, None] + 3 * middle[None, :])[None]
    window = OwnPixels(scale, 16).window((140, 140), (100, 100), 100, 16)
    back = window.bring(window.show(plane)[:, 16:-16, 16:-16])
    gap = back - plane[:, 100:240, 100:240]
    # The averages of 1.4 whole pixels lie up to a tenth of one beside those of the area.
    assert abs(gap.mean()) < 0.03
    assert gap.abs().max() < 0.5
