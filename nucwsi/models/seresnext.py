"""The authors' networks: an SE-ResNeXt encoder at full resolution, a dense decoder, three heads.

Names and shapes of all parameters are those of the published checkpoints, which load strictly.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nucwsi.errors import CheckpointError
from nucwsi.models.dense_decoder import DenseBlock, Upsample, decoder_level, head
from nucwsi.models.layers import inner
from nucwsi.models.network import NetworkMaps

#: Architecture -> bottlenecks of each of the encoder's four layers.
BLOCKS: dict[str, tuple[int, int, int, int]] = {
    "seresnext50": (3, 4, 6, 3),
    "seresnext101": (3, 4, 23, 3),
}

_GROUPS = 32
_SE_REDUCTION = 16
_DENSE_UNITS = (8, 4)
_IMAGENET_CLASSES = 1000


class HeadOutputs(NamedTuple):
    """Logits of the three heads, before any activation.

    Attributes
    ----------
    np_map : (N, 2, H, W) Tensor of float
        Logits of background and nucleus.
    hv_map : (N, 2, H, W) Tensor of float
        Position along columns and along rows, before tanh.
    tp_map : (N, C + 1, H, W) Tensor of float
        Logits of background and the C classes.
    """

    np_map: Tensor
    hv_map: Tensor
    tp_map: Tensor


class _SqueezeExcite(nn.Module):
    """Weights channels by their means over the window: the one operation that is not local."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // _SE_REDUCTION, 1)
        self.fc2 = nn.Conv2d(channels // _SE_REDUCTION, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        squeezed = features.mean((2, 3), keepdim=True)
        return features * self.fc2(self.fc1(squeezed).relu()).sigmoid()


class _Bottleneck(nn.Module):
    """A residual block of ResNeXt (1x1, grouped 3x3, 1x1) with squeeze-and-excitation."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        width = channels_out // 2
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, groups=_GROUPS, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels_out, 1, bias=False)
        self.bn3: nn.Module = nn.BatchNorm2d(channels_out)
        self.se_module = _SqueezeExcite(channels_out)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def fold(self) -> None:
        for number in "123":
            conv, norm = getattr(self, f"conv{number}"), getattr(self, f"bn{number}")
            setattr(self, f"conv{number}", fuse_conv_bn_eval(conv, norm))
            setattr(self, f"bn{number}", nn.Identity())
        if self.downsample is not None:
            self.downsample = nn.Sequential(fuse_conv_bn_eval(*self.downsample))

    def forward(self, features: Tensor) -> Tensor:
        change = self.bn1(self.conv1(features)).relu_()
        change = self.bn2(self.conv2(change)).relu_()
        change = self.se_module(self.bn3(self.conv3(change)))
        return (
            change + (features if self.downsample is None else self.downsample(features))
        ).relu_()


class _Backbone(nn.Module):
    def __init__(self, blocks: tuple[int, int, int, int]) -> None:
        super().__init__()
        # Stride 1 and no pooling, unlike the ImageNet network that the weights began as.
        self.layer0 = nn.Sequential()
        self.layer0.add_module("conv1", nn.Conv2d(3, 64, 7, padding=3, bias=False))
        self.layer0.add_module("bn1", nn.BatchNorm2d(64))
        channels_in = 64
        for layer, count in enumerate(blocks):
            channels, stride = 256 << layer, 2 if layer else 1
            first = _Bottleneck(channels_in, channels, stride)
            others = [_Bottleneck(channels, channels, 1) for _ in range(count - 1)]
            self.add_module(f"layer{layer + 1}", nn.Sequential(first, *others))
            channels_in = channels
        # ImageNet's classifier: published, never used.
        self.last_linear: nn.Module = nn.Linear(channels_in, _IMAGENET_CLASSES)

    def fold(self) -> None:
        self.layer0 = nn.Sequential(fuse_conv_bn_eval(*self.layer0))
        for module in self.modules():
            if isinstance(module, _Bottleneck):
                module.fold()
        self.last_linear = nn.Identity()

    def forward(self, image: Tensor) -> list[Tensor]:
        features = self.layer0(image).relu_()
        levels = []
        for layer in ("layer1", "layer2", "layer3", "layer4"):
            features = self.get_submodule(layer)(features)
            levels.append(features)
        return levels


class SEResNeXt(nn.Module):
    """SE-ResNeXt 32x4d with a stem of stride 1, a dense decoder and three heads.

    Squeeze-and-excitation takes the mean of the whole window, so a pixel's answer depends, a
    little, on everything in the window: tiling cannot be exact.

    Parameters
    ----------
    blocks : (int, int, int, int)
        Bottlenecks of each of the encoder's four layers; see `BLOCKS`.
    n_classes : int
        Classes without background.

    Attributes
    ----------
    local : bool
        False.

    Raises
    ------
    CheckpointError
        If a layer has no bottleneck or `n_classes` is below one.

    References
    ----------
    Zhang et al., Computational and Structural Biotechnology Journal 24 (2024); Hu et al.,
    Squeeze-and-Excitation Networks, CVPR 2018; Xie et al., Aggregated Residual Transformations,
    CVPR 2017; the dense decoder is that of Graham et al., HoVer-Net, Medical Image Analysis 58
    (2019).
    """

    local = False

    def __init__(self, blocks: tuple[int, int, int, int], n_classes: int) -> None:
        super().__init__()
        if min(blocks) < 1 or n_classes < 1:
            raise CheckpointError(
                f"`blocks` and `n_classes` must be at least 1, got {blocks} and {n_classes}"
            )
        self.blocks = tuple(blocks)
        self.backbone = _Backbone(blocks)
        self.conv_bot = nn.Conv2d(2048, 1024, 1, bias=False)
        self.u3 = decoder_level(1024, 256, _DENSE_UNITS[0])
        self.u2 = decoder_level(512, 128, _DENSE_UNITS[1])
        self.u1 = nn.Sequential(nn.Conv2d(256, 64, 3, padding=1, bias=False))
        self.decoder = nn.ModuleDict({"tp": head(n_classes + 1), "np": head(2), "hv": head(2)})
        self.upsample2x = Upsample()

    def folded(self) -> SEResNeXt:
        """Return the network with the batch normalisations folded that follow a convolution.

        Returns
        -------
        SEResNeXt
            A copy for inference only: the same maps, but for rounding, with fewer passes over
            memory.
        """
        network = copy.deepcopy(self)
        network.backbone.fold()
        for module in network.modules():
            if isinstance(module, DenseBlock):
                module.fold()
        return network

    @property
    def stride(self) -> int:
        """Pixels of which the origin and the size of every window must be multiples."""
        return 8

    @property
    def receptive_radius_px(self) -> int:
        """Farthest input pixel, in rows or columns, that convolutions bring to an output pixel.

        Farther pixels count only through the mean that each squeeze-and-excitation takes.
        A 3x3 convolution reaches one pixel of its level; the strided one that begins a layer
        works on the level before. A pixel also shares a cell of the coarsest level with 7 others.
        """
        levels = (1, 2, 4, 8)
        down = 3 + sum(count * level for count, level in zip(self.blocks, levels, strict=True))
        down -= sum(level // 2 for level in levels[1:])
        up = 4 * (1 + _DENSE_UNITS[0]) + 2 * (1 + _DENSE_UNITS[1]) + 1
        return down + up + levels[-1] - 1

    def heads(self, image: Tensor) -> HeadOutputs:
        """Compute what the published networks return.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float
            RGB in [0, 1] at the network's mpp; H and W are multiples of `stride`.

        Returns
        -------
        HeadOutputs
            On the pixels of `image`.
        """
        *skips, features = self.backbone(image)
        features = self.conv_bot(features)
        for level in (self.u3, self.u2, self.u1):
            upsampled = functional.dropout2d(self.upsample2x(features), 0.5, self.training)
            features = level(upsampled + skips.pop())
        return HeadOutputs(*(self.decoder[name](features) for name in ("np", "hv", "tp")))

    def forward(self, image: Tensor, margin_px: int = 0) -> NetworkMaps:
        """Compute the maps that every network of an ensemble returns.

        Softmax over two logits is the sigmoid of their difference, so `np_map` loses nothing.
        `tp_map` leaves the background's logit out: the softmax over the others is then the
        probability of each class given that the pixel is nucleus, which is what `np_map` decides.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float
            As in `heads`.
        margin_px : int
            Pixels at each border of `image` that are seen but not answered for.

        Returns
        -------
        NetworkMaps
            Logits of H - 2 `margin_px` by W - 2 `margin_px` pixels; see `activate`.
        """
        raw = HeadOutputs(*(inner(values, margin_px) for values in self.heads(image)))
        return NetworkMaps(raw.np_map[:, 1:] - raw.np_map[:, :1], raw.hv_map, raw.tp_map[:, 1:])


def build(architecture: str, _widths: tuple[int, ...], n_classes: int) -> SEResNeXt:
    """Build one of `BLOCKS`, as `architectures.build_network` asks for it.

    Parameters
    ----------
    architecture : str
        Key of `BLOCKS`.
    _widths : tuple of int
        Not used: the architecture fixes its channels.
    n_classes : int
        Classes that the network distinguishes, without background.

    Returns
    -------
    SEResNeXt
        With random weights.
    """
    return SEResNeXt(BLOCKS[architecture], n_classes)
