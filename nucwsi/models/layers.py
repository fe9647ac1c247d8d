"""What several networks are made of."""

from __future__ import annotations

from torch import Tensor, nn


def inner(features: Tensor, margin_px: int) -> Tensor:
    """Cut a margin off on each side.

    Parameters
    ----------
    features : (..., H, W) Tensor
    margin_px : int
        Less than half of H and of W.

    Returns
    -------
    (..., H - 2 `margin_px`, W - 2 `margin_px`) Tensor
        A view.
    """
    height, width = features.shape[-2:]
    return features[..., margin_px : height - margin_px, margin_px : width - margin_px]


def convolved(
    channels_in: int, channels_out: int, kernel_px: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Make a convolution that keeps the size but for its stride, and its batch normalisation.

    Parameters
    ----------
    channels_in, channels_out : int
    kernel_px : int
        Odd side of the kernel.
    stride : int
    groups : int
        As for `torch.nn.Conv2d`.

    Returns
    -------
    list of torch.nn.Module
        The two layers, in order.
    """
    padding = kernel_px // 2
    return [
        nn.Conv2d(channels_in, channels_out, kernel_px, stride, padding, 1, groups, bias=False),
        nn.BatchNorm2d(channels_out),
    ]
