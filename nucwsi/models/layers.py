"""Layers that several networks are made of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

#: Activations that a convolution can take in -> how oneDNN calls them, and their limits.
_FUSED: dict[type[Any], tuple[str, list[float]]] = {
    type(None): ("none", []),
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}

#: Number formats in which oneDNN does both at once.
_FORMATS = (torch.float32, torch.bfloat16)

#: Rows that `by_rows` computes at once.
_STRIP_ROWS = 128


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


#: Takes the first row and the row after the last, and returns these rows of features:
#: (N, C, rows, W).
Rows = Callable[[int, int], Tensor]


def by_rows(compute: Rows, n_rows: int, device: torch.device) -> Tensor:
    """Compute a result: for inference on a processor one strip of rows after the other.

    What is made on the way to a strip stays in the processor's cache and takes little memory,
    however large the result is.

    Parameters
    ----------
    compute : Rows
        Computes rows of the result.
    n_rows : int
        Height H of the whole result, at least 1.
    device : torch.device
        Where it is computed.

    Returns
    -------
    (N, C, H, W) Tensor
        Channels lie in memory as those of the strips do.
    """
    able = device.type == "cpu" and torch.is_inference_mode_enabled()
    # An exported program has no loop.
    if not able or torch.compiler.is_compiling() or n_rows <= _STRIP_ROWS:
        return compute(0, n_rows)
    n_strips = math.ceil(n_rows / _STRIP_ROWS)
    edges = [n_rows * number // n_strips for number in range(n_strips + 1)]
    strip = compute(*edges[:2])
    side_by_side = strip.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if side_by_side else torch.contiguous_format
    shape = (*strip.shape[:2], n_rows, strip.shape[3])
    whole = torch.empty(shape, dtype=strip.dtype, device=strip.device, memory_format=layout)
    whole[:, :, : edges[1]] = strip
    for top, stop in itertools.pairwise(edges[1:]):
        whole[:, :, top:stop] = compute(top, stop)
    return whole


class Convolution(nn.Conv2d):
    """A convolution that may leave out its border and, for inference, takes in its activation.

    A processor then applies the activation before it writes the result to memory. Not a bit
    changes: all formats can express the limits of the activations, so it does not matter whether a
    number is rounded before or after it is limited.

    Parameters
    ----------
    *args, **kwargs
        As for `torch.nn.Conv2d`.

    Attributes
    ----------
    activation : torch.nn.Module or None
        Applied to the result; None unless `Row.fold` has taken one in.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.activation: nn.Module | None = None
        self._weights: dict[torch.dtype, tuple[Tensor, Tensor | None]] | None = None

    def fold(self) -> None:
        """Prepare for inference: from now on the weights are those of this moment."""
        self._weights = {}

    def forward(self, features: Tensor, padded: bool = True) -> Tensor:
        """Convolve, and apply the activation.

        Parameters
        ----------
        features : (N, C, H, W) Tensor
            Of the layer before.
        padded : bool
            Whether zeros are put around the features. Without, the result lacks what they would
            change: half the side of the kernel, in pixels of `features`, at each border.

        Returns
        -------
        (N, C', H', W') Tensor
            H' and W' are H and W divided by the stride, less what is left out.
        """
        padding = self.padding if padded else (0, 0)
        dtype = features.dtype
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
        # An exported program is of operators that others know, too.
        weights = None if torch.compiler.is_compiling() else self._weights
        if weights is not None and features.device.type == "cpu" and dtype in _FORMATS:
            if dtype not in weights:
                bias = None if self.bias is None else self.bias.detach().to(dtype)
                weights[dtype] = self.weight.detach().to(dtype), bias
            weight, bias = weights[dtype]
            of = (weight, bias, padding, self.stride, self.dilation, self.groups)
            answer: Tensor = torch.ops.mkldnn._convolution_pointwise(
                features.to(dtype), *of, *_FUSED[type(self.activation)], ""
            )
            return answer
        plain = functional.conv2d(
            features, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )
        return plain if self.activation is None else self.activation(plain)


class Row(nn.Sequential):
    """Layers one after the other, whose convolutions may leave out their borders."""

    def forward(self, features: Tensor, padded: bool = True) -> Tensor:
        """Pass features through all layers.

        Parameters
        ----------
        features : (N, C, H, W) Tensor
            Of the layer before.
        padded : bool
            As for `Convolution.forward`, for each of the convolutions.

        Returns
        -------
        (N, C', H', W') Tensor
            Of the last layer.
        """
        for layer in self:
            features = (
                layer(features, padded) if isinstance(layer, Convolution) else layer(features)
            )
        return features

    def fold(self) -> None:
        """Fold batch normalisations and activations into the convolutions before them, for good."""
        layers: list[nn.Module] = []
        for layer in self:
            last = layers[-1] if layers else None
            if isinstance(last, Convolution) and isinstance(layer, nn.BatchNorm2d):
                layers[-1] = fuse_conv_bn_eval(last, layer)
            elif isinstance(last, Convolution) and type(layer) in _FUSED:
                last.activation = layer
            else:
                layers.append(layer)
        del self[len(layers) :]
        for place, layer in enumerate(layers):
            self[place] = layer


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
        Convolution(channels_in, channels_out, kernel_px, stride, padding, 1, groups, bias=False),
        nn.BatchNorm2d(channels_out),
    ]
