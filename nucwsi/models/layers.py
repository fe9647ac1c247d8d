"""Layers that several networks are made of."""

from __future__ import annotations

from torch import Tensor, nn


def inner(features: Tensor, margin_px: int) -> Tensor:
    """Cut a margin off each side.

    Parameters
    ----------
    features : (..., H, W) Tensor
        An image, or features at any stride.
    margin_px : int
        Width of the margin in pixels of `features`; less than half of H and of W.

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
    """Make a convolution, padded so that H x W pixels become H/`stride` x W/`stride`, and its norm.

    Parameters
    ----------
    channels_in, channels_out : int
        Channels of its input and of its output.
    kernel_px : int
        Side of the kernel, odd.
    stride : int
        Input pixels per output pixel along each axis.
    groups : int
        Groups of channels that are convolved apart, as for `torch.nn.Conv2d`.

    Returns
    -------
    list of torch.nn.Module
        The convolution, without bias, and its batch normalisation.
    """
    padding = kernel_px // 2
    return [
        nn.Conv2d(channels_in, channels_out, kernel_px, stride, padding, 1, groups, bias=False),
        nn.BatchNorm2d(channels_out),
    ]
