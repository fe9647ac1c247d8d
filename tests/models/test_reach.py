"""How far a network sees is measured to the pixel, whatever it does with what is not a number."""

import pytest
import torch
from torch import nn

from nucwsi.models.reach import reach_px, shift_error, strip_shape


def convolution(kernel_px, stride=1):
    torch.manual_seed(1)
    layer = nn.Conv2d(3, 1, kernel_px, padding=kernel_px // 2)
    pool = nn.Sequential(nn.AvgPool2d(stride), nn.Upsample(scale_factor=stride))
    return nn.Sequential(pool, layer, nn.Sigmoid()) if stride > 1 else nn.Sequential(layer)


def answer_of(network):
    def answer(image):
        with torch.inference_mode():
            return [network(image)]

    return answer


@pytest.mark.parametrize("kernel_px", [1, 3, 7])
def test_a_convolution_reaches_half_its_kernel(kernel_px):
    assert reach_px(answer_of(convolution(kernel_px)), (8, 40), [0]) == kernel_px // 2


def test_pixels_share_the_cell_of_their_stride():
    assert reach_px(answer_of(convolution(1, stride=4)), (16, 64), range(4)) == 3


def test_a_network_that_drops_what_is_not_a_number_is_still_seen_to_see():
    layer = convolution(5)
    dropping = answer_of(lambda image: layer(image.nan_to_num(0.5)))
    assert reach_px(dropping, (8, 40), [0]) == 2


def test_a_tiny_weight_is_seen_too():
    layer = convolution(5)
    with torch.no_grad():
        layer[0].weight[..., 0] *= 1e-12
    assert reach_px(answer_of(layer), (8, 40), [0]) == 2


def test_reach_along_one_axis_counts():
    for shape in ((1, 9), (9, 1)):
        layer = nn.Conv2d(3, 1, shape, padding=tuple(side // 2 for side in shape))
        assert reach_px(answer_of(layer), (16, 48), [0]) == 4


def test_a_mean_over_the_window_reaches_everything():
    shape = strip_shape(8, 60)
    seen = reach_px(answer_of(lambda image: image + image.mean()), shape, [0])
    assert seen >= 60


def test_answers_are_the_same_where_the_window_begins_a_stride_later():
    network = answer_of(convolution(3, stride=4))
    assert shift_error(network, (16, 64), 4, 8) < 1e-6
    assert shift_error(network, (16, 64), 2, 8) > 1e-3
    assert shift_error(network, (16, 16), 4, 8) == 0
