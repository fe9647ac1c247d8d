"""The way up of the authors' networks: dense blocks between upsamplings, and the heads.

Names and shapes of all parameters are those of the published checkpoints, which load strictly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

#: Channels between the two convolutions of a unit, and channels that each unit adds.
_BOTTLENECK, _GROWTH = 128, 32


class DenseBlock(nn.Module):
    """Units of two convolutions, each on the concatenated features of all units before it.

    Parameters
    ----------
    channels : int
        Channels of the input.
    n_units : int
        Each adds `_GROWTH` channels.

    References
    ----------
    Huang et al., Densely Connected Convolutional Networks, CVPR 2017, as in Graham et al.,
    HoVer-Net, Medical Image Analysis 58 (2019), section 3.1.
    """

    def __init__(self, channels: int, n_units: int) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(channels + unit * _GROWTH),
                nn.ReLU(),
                nn.Conv2d(channels + unit * _GROWTH, _BOTTLENECK, 1, bias=False),
                nn.BatchNorm2d(_BOTTLENECK),
                nn.ReLU(inplace=True),
                nn.Conv2d(_BOTTLENECK, _GROWTH, 3, padding=1, groups=4, bias=False),
            )
            for unit in range(n_units)
        )
        self.blk_bna = nn.Sequential(
            nn.BatchNorm2d(channels + n_units * _GROWTH), nn.ReLU(inplace=True)
        )

    def fold(self) -> None:
        """Fold the batch normalisations that follow a convolution, for good."""
        units: list[Any] = list(self.units)
        for unit in units:
            unit[2], unit[3] = fuse_conv_bn_eval(unit[2], unit[3]), nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Append each unit's output to the features, and normalise all.

        Parameters
        ----------
        features : (N, C, H, W) Tensor
            Features of the level's first convolution.

        Returns
        -------
        (N, C + 32 `n_units`, H, W) Tensor
            All features after batch normalisation and activation.
        """
        for unit in self.units:
            features = torch.cat([features, unit(features)], dim=1)
        normalised: Tensor = self.blk_bna(features)
        return normalised


class Upsample(nn.Module):
    """Doubles height and width; the published weights hold the factors, which are all 1."""

    unpool_mat: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("unpool_mat", torch.ones(2, 2))

    def forward(self, features: Tensor) -> Tensor:
        """Repeat each pixel twice along both axes.

        Parameters
        ----------
        features : (N, C, H, W) Tensor
            Features of the coarser level.

        Returns
        -------
        (N, C, 2 H, 2 W) Tensor
            The same features at the pixels of the finer level.
        """
        doubled = functional.interpolate(features, scale_factor=2.0, mode="nearest")
        return doubled * self.unpool_mat.repeat(features.shape[-2:]).to(features.dtype)


def decoder_level(channels_in: int, channels: int, n_units: int) -> nn.Sequential:
    """Make a level of the decoder: 3x3 convolution, dense block, 1x1 convolution.

    Parameters
    ----------
    channels_in : int
        Channels of the upsampled features.
    channels : int
        Channels between the first convolution and the dense block.
    n_units : int
        Units of the dense block.

    Returns
    -------
    torch.nn.Sequential
        Its output has `channels` + 32 `n_units` channels.
    """
    channels_out = channels + _GROWTH * n_units
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
        DenseBlock(channels, n_units),
        nn.Conv2d(channels_out, channels_out, 1, bias=False),
    )


def head(n_outputs: int) -> nn.Sequential:
    """Make a head: batch normalisation, ReLU, and a 1x1 convolution.

    Parameters
    ----------
    n_outputs : int
        Logits per pixel.

    Returns
    -------
    torch.nn.Sequential
        Takes 64 channels.
    """
    return nn.Sequential(nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, n_outputs, 1))
