"""What several networks are made of: margins, and convolutions that keep the size."""

import pytest
import torch

from nucwsi.models import layers
from nucwsi.models.layers import Convolution, Row, by_rows, convolved, inner


def test_a_margin_is_cut_off_each_side():
    image = torch.arange(20).view(1, 1, 4, 5)
    assert inner(image, 1).tolist() == [[[[6, 7, 8], [11, 12, 13]]]]
    torch.testing.assert_close(inner(image, 0), image)


@pytest.mark.parametrize(("kernel_px", "stride"), [(1, 1), (3, 1), (3, 2), (5, 2)])
def test_a_convolution_keeps_the_size_but_for_its_stride(kernel_px, stride):
    convolution, norm = convolved(4, 6, kernel_px, stride, groups=2)
    assert convolution(torch.rand(2, 4, 8, 12)).shape == (2, 6, 8 // stride, 12 // stride)
    assert (convolution.groups, convolution.bias, norm.num_features) == (2, None, 6)


@pytest.mark.parametrize(("kernel_px", "stride"), [(1, 1), (3, 1), (3, 2), (5, 2)])
def test_without_padding_only_the_border_that_padding_changes_is_missing(kernel_px, stride):
    convolution, _ = convolved(4, 6, kernel_px, stride)
    image, reach = torch.rand(1, 4, 24, 32), kernel_px // 2
    # The first pixel that sees no zero lies half a kernel from the border, in pixels of the input.
    first = -(-reach // stride)
    with torch.inference_mode():
        whole, part = convolution(image), convolution(inner(image, first * stride - reach), False)
    torch.testing.assert_close(part, inner(whole, first), atol=1e-6, rtol=0)


@pytest.mark.parametrize("activation", [None, torch.nn.ReLU(), torch.nn.ReLU6()])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_taking_in_an_activation_changes_no_bit(activation, dtype):
    torch.manual_seed(2)
    plain = Convolution(8, 8, 3, padding=1)
    folded = Row(plain, *([activation] if activation else []))
    folded.fold()
    plain.fold()
    image = 20 * torch.rand(1, 8, 40, 56)
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        taken, plain.activation = folded(image), None
        expected = plain(image)
    assert len(folded) == 1
    assert torch.equal(taken, activation(expected) if activation else expected)


def test_a_folded_row_computes_what_the_row_computed():
    torch.manual_seed(3)
    row = Row(*convolved(4, 6, 3), torch.nn.ReLU6(), *convolved(6, 2, 1)).eval()
    row[1].running_mean.uniform_(-1, 1)
    image = torch.rand(1, 4, 16, 16)
    with torch.inference_mode():
        expected = row(image)
        row.fold()
        torch.testing.assert_close(row(image), expected)
    assert [type(layer) for layer in row] == [Convolution, Convolution]


@pytest.mark.parametrize("n_rows", [1, 5, 6, 7, 12, 13])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_strips_of_rows_are_the_whole(n_rows, layout, monkeypatch):
    monkeypatch.setattr(layers, "_STRIP_ROWS", 6)
    whole = torch.rand(2, 3, n_rows, 4).contiguous(memory_format=layout)
    asked = []

    def compute(top, stop):
        asked.append(stop - top)
        return whole[:, :, top:stop].contiguous(memory_format=layout)

    with torch.inference_mode():
        made = by_rows(compute, n_rows, whole.device)
    assert torch.equal(made, whole)
    assert made.is_contiguous(memory_format=layout)
    assert sum(asked) == n_rows
    assert max(asked) <= 6
    assert max(asked) - min(asked) <= 1


def test_what_learns_is_computed_at_once(monkeypatch):
    monkeypatch.setattr(layers, "_STRIP_ROWS", 6)
    asked = []
    by_rows(lambda *rows: asked.append(rows), 20, torch.device("cpu"))
    assert asked == [(0, 20)]
