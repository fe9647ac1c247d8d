"""HoVer-Net: a residual encoder at full resolution and a decoder of its own for every map.

Names and shapes of all parameters are those of the published checkpoints, which load strictly.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nucwsi.errors import CheckpointError
from nucwsi.models.dense_decoder import Upsample
from nucwsi.models.layers import inner
from nucwsi.models.network import NetworkMaps, raw_positions


class Form(NamedTuple):
    """What tells the published forms of the network apart.

    Attributes
    ----------
    reach_px : int
        Pixels that a convolution of the decoders reaches each way: kernels of 2 `reach_px` + 1.
    padded : bool
        Whether the first convolution of the published network is padded.
    typed : bool
        Whether there is a decoder for the classes.
    """

    reach_px: int
    padded: bool
    typed: bool


#: Architecture -> form of the network.
FORMS: dict[str, Form] = {
    "hovernet_fast": Form(1, padded=True, typed=True),
    "hovernet_original": Form(2, padded=False, typed=True),
    "hovernet_fast_untyped": Form(1, padded=True, typed=False),
    "hovernet_original_untyped": Form(2, padded=False, typed=False),
}

#: Bottlenecks of each level of the encoder, and channels between their 1x1 convolutions.
BLOCKS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)

#: Each bottleneck returns so many times the channels between its 1x1 convolutions.
_WIDENING = 4

#: Units of the two dense blocks, and channels that each unit adds.
_UNITS = (8, 4)
GROWTH = 32

#: Colour of what lies beyond a window: the glass.
_GLASS = 1.0


class HeadOutputs(NamedTuple):
    """What the published network returns.

    Attributes
    ----------
    np_map : (N, 2, H, W) Tensor of float
        Logits of background and nucleus.
    hv_map : (N, 2, H, W) Tensor of float
        Position along columns and along rows; about -1 to 1, with no activation.
    tp_map : (N, C + 1, H, W) Tensor of float, or None
        Logits of background and the C classes; None for a network without types.
    """

    np_map: Tensor
    hv_map: Tensor
    tp_map: Tensor | None


def _named(**layers: nn.Module) -> nn.Sequential:
    """Make a sequence whose layers have published names: ``__`` stands for the slash in them."""
    row = nn.Sequential()
    for name, layer in layers.items():
        row.add_module(name.replace("__", "/"), layer)
    return row


def _fold(row: nn.Module, pairs: tuple[tuple[str, str], ...]) -> None:
    """Fold batch normalisations into the convolutions that they follow, for good."""
    for conv, norm in pairs:
        of: Any = row.get_submodule(conv), row.get_submodule(norm)
        row.add_module(conv, fuse_conv_bn_eval(*of))
        row.add_module(norm, nn.Identity())


class _Strided(nn.Conv2d):
    """A 3x3 convolution of stride 2 that pads as TensorFlow does: at the end of each axis only."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(functional.pad(features, (0, 1, 0, 1)))


class _Level(nn.Module):
    """Bottlenecks with preactivation; the first of them halves the resolution if `stride` is 2."""

    def __init__(self, channels_in: int, width: int, count: int, stride: int) -> None:
        super().__init__()
        channels = _WIDENING * width
        self.units = nn.ModuleList()
        for number in range(count):
            conv2: nn.Module = nn.Conv2d(width, width, 3, padding=1, bias=False)
            if number == 0 and stride == 2:
                conv2 = _Strided(width, width, 3, 2, bias=False)
            preact: dict[str, nn.Module] = {}
            if number:
                preact = {"preact__bn": nn.BatchNorm2d(channels), "preact__relu": nn.ReLU()}
            self.units.append(
                _named(
                    **preact,
                    conv1=nn.Conv2d(channels if number else channels_in, width, 1, bias=False),
                    conv1__bn=nn.BatchNorm2d(width),
                    conv1__relu=nn.ReLU(inplace=True),
                    conv2=conv2,
                    conv2__bn=nn.BatchNorm2d(width),
                    conv2__relu=nn.ReLU(inplace=True),
                    conv3=nn.Conv2d(width, channels, 1, bias=False),
                )
            )
        self.shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
        self.blk_bna = _named(bn=nn.BatchNorm2d(channels), relu=nn.ReLU(inplace=True))

    def fold(self) -> None:
        for unit in self.units:
            _fold(unit, (("conv1", "conv1/bn"), ("conv2", "conv2/bn")))

    def forward(self, features: Tensor) -> Tensor:
        kept = self.shortcut(features)
        for unit in self.units:
            features = kept = unit(features).add_(kept)
        normalised: Tensor = self.blk_bna(features)
        return normalised


class _Dense(nn.Module):
    """Units of two valid convolutions, each on the features of all units before it."""

    def __init__(self, channels: int, n_units: int, kernel_px: int) -> None:
        super().__init__()
        self.units = nn.ModuleList()
        for unit in range(n_units):
            before = channels + unit * GROWTH
            self.units.append(
                _named(
                    preact_bna__bn=nn.BatchNorm2d(before),
                    preact_bna__relu=nn.ReLU(),
                    conv1=nn.Conv2d(before, 4 * GROWTH, 1, bias=False),
                    conv1__bn=nn.BatchNorm2d(4 * GROWTH),
                    conv1__relu=nn.ReLU(inplace=True),
                    conv2=nn.Conv2d(4 * GROWTH, GROWTH, kernel_px, groups=4, bias=False),
                )
            )
        after = channels + n_units * GROWTH
        self.blk_bna = _named(bn=nn.BatchNorm2d(after), relu=nn.ReLU(inplace=True))

    def fold(self) -> None:
        for unit in self.units:
            _fold(unit, (("conv1", "conv1/bn"),))

    def forward(self, features: Tensor) -> Tensor:
        for unit in self.units:
            added = unit(features)
            spoilt_px = (features.shape[-1] - added.shape[-1]) // 2
            features = torch.cat([inner(features, spoilt_px), added], dim=1)
        normalised: Tensor = self.blk_bna(features)
        return normalised


def _branch(n_outputs: int, kernel_px: int) -> nn.Sequential:
    """Make the decoder of one map: levels at strides 4, 2 and 1, and the last convolution."""
    branch = nn.Sequential()
    channels_in = _WIDENING * WIDTHS[2]
    for name, n_units, width in zip(("u3", "u2"), _UNITS, (WIDTHS[2], WIDTHS[1]), strict=True):
        channels = width + n_units * GROWTH
        level = _named(
            conva=nn.Conv2d(channels_in, width, kernel_px, bias=False),
            dense=_Dense(width, n_units, kernel_px),
            convf=nn.Conv2d(channels, channels, 1, bias=False),
        )
        branch.add_module(name, level)
        channels_in = channels
    branch.add_module("u1", _named(conva=nn.Conv2d(channels_in, 64, kernel_px, bias=False)))
    last = _named(bn=nn.BatchNorm2d(64), relu=nn.ReLU(), conv=nn.Conv2d(64, n_outputs, 1))
    branch.add_module("u0", last)
    return branch


class HoVerNet(nn.Module):
    """A preactivation ResNet-50 with strides 1 to 8, and a dense decoder for each of three maps.

    Every operation is local. The encoder pads with zeros at the border of its window, so a pixel
    is the same in all windows that hold its whole receptive field. The published tiling holds less.

    Parameters
    ----------
    form : Form
        One of `FORMS`.
    n_classes : int
        Classes without background; 1 for a form without types.

    Attributes
    ----------
    local : bool
        True.

    Raises
    ------
    CheckpointError
        If `n_classes` is below one, or not one in a form without types.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019); the two forms, names and shapes:
    https://github.com/vqdang/hover_net (MIT), models/hovernet.
    """

    local = True

    def __init__(self, form: Form, n_classes: int) -> None:
        super().__init__()
        if n_classes < 1 or (n_classes > 1 and not form.typed):
            expected = "at least 1" if form.typed else "1 for a network without types"
            raise CheckpointError(f"`n_classes` must be {expected}, got {n_classes}")
        self.form = form
        self.conv0 = _named(
            __=nn.Conv2d(3, 64, 7, bias=False),
            bn=nn.BatchNorm2d(64),
            relu=nn.ReLU(inplace=True),
        )
        channels_in = 64
        for level, (count, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True)):
            self.add_module(f"d{level}", _Level(channels_in, width, count, 2 if level else 1))
            channels_in = _WIDENING * width
        self.conv_bot = nn.Conv2d(channels_in, channels_in // 2, 1, bias=False)
        outputs = {"tp": n_classes + 1} if form.typed else {}
        outputs.update({"np": 2, "hv": 2})
        self.decoder = nn.ModuleDict(
            {name: _branch(count, 2 * form.reach_px + 1) for name, count in outputs.items()}
        )
        self.upsample2x = Upsample()

    def folded(self) -> HoVerNet:
        """Return the network with the batch normalisations folded that follow a convolution.

        Returns
        -------
        HoVerNet
            A copy for inference only: the same maps, but for rounding, with fewer passes over
            memory.
        """
        network = copy.deepcopy(self)
        _fold(network.conv0, (("/", "bn"),))
        for module in network.modules():
            if isinstance(module, _Level | _Dense):
                module.fold()
        return network

    @property
    def stride(self) -> int:
        """Pixels of which the origin and the size of every window must be multiples."""
        return 8

    @property
    def _decoder_reach_px(self) -> int:
        """Farthest pixel that the decoders bring to an output pixel, before cells are counted."""
        at_4, at_2 = (1 + units for units in _UNITS)
        return self.form.reach_px * (4 * at_4 + 2 * at_2 + 1)

    @property
    def receptive_radius_px(self) -> int:
        """Farthest input pixel, in rows or columns, that can change an output pixel.

        A 3x3 convolution of stride 1 reaches one pixel of its level each way, and one of stride 2
        two pixels of the level before, to the right and below only. That is farther than the cells
        of the coarsest level reach to the left.
        """
        ahead = 3 + BLOCKS[0]
        for level, count in enumerate(BLOCKS[1:], start=1):
            ahead += 2 ** (level - 1) * 2 + 2**level * (count - 1)
        return ahead + self._decoder_reach_px

    def _encoded(self, image: Tensor, first_px: int) -> list[Tensor]:
        """Compute the features at strides 1, 2, 4 and 8, the first convolution padded so far."""
        features = self.conv0(functional.pad(image, (first_px,) * 4))
        levels = []
        for level in range(len(BLOCKS)):
            features = self.get_submodule(f"d{level}")(features)
            levels.append(features)
        levels[-1] = self.conv_bot(features)
        return levels

    def _decoded(self, levels: list[Tensor], margin_px: int, padded: bool) -> HeadOutputs:
        """Compute all pixels of a window but its margin, each level no farther than it is needed.

        With `padded` the last convolution answers for the pixels that it spoils, too.
        """
        reach = self.form.reach_px
        # Margin of what enters the decoder's levels, at their strides, and of what leaves them.
        enters, leaves = [margin_px - reach], []
        for units in reversed(_UNITS):
            leaves.append(enters[-1] // 2)
            enters.append(leaves[-1] - reach * (1 + units))
        leaves.append(enters[-1] // 2)
        outputs: dict[str, Tensor] = {}
        lowest = inner(levels[3], leaves[2])
        for name, branch in self.decoder.items():
            features = lowest
            for level, part in ((2, "u3"), (1, "u2"), (0, "u1")):
                features = inner(self.upsample2x(features), enters[level] - 2 * leaves[level])
                features = features + inner(levels[level], enters[level])
                if padded and level == 0:
                    features = functional.pad(features, (reach,) * 4)
                features = branch.get_submodule(part)(features)
            outputs[name] = branch.get_submodule("u0")(features)
        return HeadOutputs(outputs["np"], outputs["hv"], outputs.get("tp"))

    def heads(self, image: Tensor) -> HeadOutputs:
        """Compute what the published network returns, with zeros that reach in from its borders.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float
            RGB in [0, 1] at the network's mpp; H and W are multiples of `stride`, plus 6 where the
            first convolution is not padded: 256 for a ``fast``, 270 for an ``original`` network.

        Returns
        -------
        HeadOutputs
            Of the pixels in the middle: 164 x 164, or 80 x 80.
        """
        levels = self._encoded(image, 3 if self.form.padded else 0)
        return self._decoded(levels, self._decoder_reach_px, padded=True)

    def forward(self, image: Tensor, margin_px: int = 0) -> NetworkMaps:
        """Compute the maps that every network of an ensemble returns.

        Softmax over two logits is the sigmoid of their difference. `tp_map` leaves the background's
        logit out: the softmax over the others is then the probability of each class given that the
        pixel is nucleus, which is what `np_map` decides. `hv_map` is clipped to [-1, 1].

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float
            RGB in [0, 1] at the network's mpp; H and W are multiples of `stride`.
        margin_px : int
            Pixels at each border of `image` that are seen but not answered for. What the decoders
            need of a wider margin is taken for glass.

        Returns
        -------
        NetworkMaps
            Logits of H - 2 `margin_px` by W - 2 `margin_px` pixels; see `activate`.
        """
        lacking = max(0, self._decoder_reach_px - margin_px)
        lacking += -lacking % self.stride
        if lacking:
            image = functional.pad(image, (lacking,) * 4, value=_GLASS)
        raw = self._decoded(self._encoded(image, 3), margin_px + lacking, padded=False)
        nucleus = raw.np_map[:, 1:] - raw.np_map[:, :1]
        classes = torch.zeros_like(nucleus) if raw.tp_map is None else raw.tp_map[:, 1:]
        return NetworkMaps(nucleus, raw_positions(raw.hv_map), classes)


def build(architecture: str, _widths: tuple[int, ...], n_classes: int) -> HoVerNet:
    """Build one of `FORMS`, as `architectures.build_network` asks for it.

    Parameters
    ----------
    architecture : str
        Key of `FORMS`.
    _widths : tuple of int
        Not used: the architecture fixes its channels.
    n_classes : int
        Classes that the network distinguishes, without background.

    Returns
    -------
    HoVerNet
        With random weights.
    """
    return HoVerNet(FORMS[architecture], n_classes)
