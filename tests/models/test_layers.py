"""What several networks are made of: margins, and convolutions that keep the size."""

import pytest
import torch

from nucwsi.models.layers import convolved, inner


def test_a_margin_is_cut_off_each_side():
    image = torch.arange(20).view(1, 1, 4, 5)
    assert inner(image, 1).tolist() == [[[[6, 7, 8], [11, 12, 13]]]]
    torch.testing.assert_close(inner(image, 0), image)


@pytest.mark.parametrize(("kernel_px", "stride"), [(1, 1), (3, 1), (3, 2), (5, 2)])
def test_a_convolution_keeps_the_size_but_for_its_stride(kernel_px, stride):
    convolution, norm = convolved(4, 6, kernel_px, stride, groups=2)
    assert convolution(torch.rand(2, 4, 8, 12)).shape == (2, 6, 8 // stride, 12 // stride)
    assert (convolution.groups, convolution.bias, norm.num_features) == (2, None, 6)
