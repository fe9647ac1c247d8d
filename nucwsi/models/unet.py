"""A local U-Net with one trunk and three pixel-wise heads, and its plain encoder."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from nucwsi.errors import CheckpointError
from nucwsi.models.layers import Convolution, Row, Rows, by_rows, convolved, inner
from nucwsi.models.network import NetworkMaps


class Encoder(Protocol):
    """The way down of a `UNet`: a `torch.nn.Module` that computes features at several strides.

    Attributes
    ----------
    channels : tuple of int
        Channels of the features at strides 1, 2, 4 and so on.
    radius_px : int
        Farthest input pixel, in rows or columns, that the coarsest features depend on, before the
        cells of their stride are counted.
    in_strips : bool
        Whether it computes strips of rows (`layers.by_rows`) where borders are unused.
    """

    channels: tuple[int, ...]
    radius_px: int
    in_strips: bool

    def __call__(
        self, image: Tensor, unused_px: Sequence[int]
    ) -> tuple[list[Tensor | Rows], Tensor]:
        """Compute the features at each stride, the finest first; see `PlainEncoder.forward`."""

    def load_published(self) -> None:
        """Replace the random weights by published ones, where there are any."""

    def published_parameters(self) -> list[nn.Parameter]:
        """Return the weights that `load_published` replaces."""


def _block(channels_in: int, channels_out: int) -> Row:
    layers: list[nn.Module] = []
    for source in (channels_in, channels_out):
        layers += [*convolved(source, channels_out, 3), nn.ReLU(inplace=True)]
    return Row(*layers)


class PlainEncoder(nn.ModuleList):
    """The way down of a plain U-Net: two convolutions a level, max-pooling between them.

    Parameters
    ----------
    widths : tuple of int
        As for `UNet`.

    Attributes
    ----------
    channels, radius_px
        As for `Encoder`; a level at stride s reaches two pixels of s each way.
    """

    in_strips = False

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__(_block(a, b) for a, b in itertools.pairwise((3, *widths)))
        self.channels = tuple(widths)
        self.radius_px = 2 * (2 ** len(widths) - 1)

    def forward(
        self, image: Tensor, _unused_px: Sequence[int]
    ) -> tuple[list[Tensor | Rows], Tensor]:
        """Compute the features at each stride, the finest first.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float
            RGB in [0, 1]; H and W are multiples of the coarsest stride.
        _unused_px : sequence of int
            How many pixels of the features at each stride nobody uses, at each border. This encoder
            leaves out none of them: coarser features are made of most.

        Returns
        -------
        skips : list of Tensor or Rows
            The i-th is (N, `channels[i]`, H / 2**i, W / 2**i), and may lack as many pixels at each
            border as nobody uses. The finest may be what computes its rows, without all of these.
        lowest : Tensor
            The coarsest features, likewise.
        """
        features = image
        skips: list[Tensor | Rows] = []
        for level, block in enumerate(self):
            if level:
                skips.append(features)
                features = functional.max_pool2d(features, 2)
            features = block(features)
        return skips, features

    def load_published(self) -> None:
        """Keep the random weights: a plain encoder has no published ones."""

    def published_parameters(self) -> list[nn.Parameter]:
        """Return no weight: none is published."""
        return []


class UNet(nn.Module):
    """A U-Net: a way down, nearest-neighbour up, concatenated skips, 1x1 heads.

    Every operation is local, so a pixel's answer depends on the input within
    `receptive_radius_px` only. That is what makes tiling exact (no global pooling, no attention,
    no statistic of the tile).

    Parameters
    ----------
    widths : tuple of int
        Channels of each level, the finest first. Level i works at stride ``2**i``. The coarsest
        may be missing, for an encoder that fixes its own.
    n_classes : int
        Channels of the `tp` head.
    encoder : Encoder, optional
        The way down; default: a `PlainEncoder` of `widths`.

    Attributes
    ----------
    local : bool
        True: every operation is local, if the encoder's are.
    dropout : float
        Share of the channels from below that are left out at random at each upsampling, in
        training only; 0 at first.

    Raises
    ------
    CheckpointError
        If `widths` has fewer than two levels or a number below one, or `n_classes` is below one.

    References
    ----------
    Ronneberger et al., U-Net, MICCAI 2015; the three heads follow Graham et al., HoVer-Net,
    Medical Image Analysis 58 (2019), section 3.1, on one shared trunk as in Zhang et al.,
    Computational and Structural Biotechnology Journal 24 (2024).
    """

    local = True

    def __init__(
        self, widths: tuple[int, ...], n_classes: int, encoder: Encoder | None = None
    ) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1:
            raise CheckpointError(
                f"`widths` must name at least two levels of at least one channel, got {widths}"
            )
        if n_classes < 1:
            raise CheckpointError(f"`n_classes` must be at least 1, got {n_classes}")
        self.encoder: Encoder = PlainEncoder(tuple(widths)) if encoder is None else encoder
        *skips, lowest = self.encoder.channels
        up = list(reversed(widths[: len(skips)]))
        # Narrowing before the upsampling halves the widest tensor of the whole network.
        below = (lowest, *up[:-1])
        self.narrow = nn.ModuleList(Convolution(b, a, 1) for b, a in zip(below, up, strict=True))
        self.decoder = nn.ModuleList(
            _block(skip + a, a) for skip, a in zip(reversed(skips), up, strict=True)
        )
        self.heads = Convolution(widths[0], 3 + n_classes, 1)
        self.dropout = 0.0

    def folded(self) -> UNet:
        """Return the network with its batch normalisations folded into the convolutions.

        Returns
        -------
        UNet
            A copy for inference only: the same maps, but for rounding, with half the passes over
            memory.
        """
        network = copy.deepcopy(self)
        for part in network.modules():
            if isinstance(part, Row | Convolution):
                part.fold()
        return network

    @torch.no_grad()
    def cool(self, temperature: float) -> None:
        """Divide the class logits by a temperature, for good.

        Parameters
        ----------
        temperature : float
            Above 1 the network becomes less sure of its classes, below 1 surer.
        """
        for parameter in (self.heads.weight, self.heads.bias):
            if parameter is not None:
                parameter[3:] /= temperature

    @property
    def in_strips(self) -> bool:
        """Whether, for inference on a processor, large windows take little memory."""
        return self.encoder.in_strips

    @property
    def stride(self) -> int:
        """Pixels of which the origin and the size of every window must be multiples."""
        return int(2 ** len(self.narrow))

    @property
    def receptive_radius_px(self) -> int:
        """Farthest input pixel, in rows or columns, that can change an output pixel.

        On the way up two 3x3 convolutions a level reach two pixels of that level each way. A pixel
        also shares its cell of the lowest level with `stride` - 1 others in a row.
        """
        return self.encoder.radius_px + 2 * (self.stride - 1) + self.stride - 1

    def forward(self, image: Tensor, margin_px: int = 0) -> NetworkMaps:
        """Compute the maps of every pixel but those of a margin.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float
            RGB in [0, 1] at the network's mpp; H and W are multiples of `stride`.
        margin_px : int
            Pixels at each border of `image` that are seen but not answered for. The way up leaves
            out what only they need: a third of all work for a halo around a core of 512 pixels.

        Returns
        -------
        NetworkMaps
            Logits of H - 2 `margin_px` by W - 2 `margin_px` pixels; see `activate`.
        """
        margins = [margin_px]
        for _ in self.narrow:
            # Two 3x3 convolutions spoil two pixels of the border at which a level is cut.
            margins.append(max(0, (margins[-1] - 2) // 2))
        unused = [*(2 * margin for margin in margins[1:]), margins[-1]]
        skips, features = self.encoder(image, unused)
        width = image.shape[-1] // self.stride - 2 * margins[-1]
        features = self.narrow[0](inner(features, (features.shape[-1] - width) // 2))
        for block, after in zip(self.decoder, (*self.narrow[1:], self._answers), strict=True):
            if self.training and self.dropout:
                features = functional.dropout2d(features, self.dropout)
            cut_px = margins[-2] - 2 * margins.pop()
            features = _upward(features, skips.pop(), cut_px, block, after)
        return NetworkMaps(features[:, :1], features[:, 1:3], features[:, 3:])

    def _answers(self, features: Tensor) -> Tensor:
        # As planes: on channels that lie side by side `activate` takes three times as long.
        answers: Tensor = self.heads(features).contiguous()
        return answers


def _upward(
    below: Tensor,
    skip: Tensor | Rows,
    cut_px: int,
    block: nn.Module,
    after: Callable[[Tensor], Tensor],
) -> Tensor:
    """Compute a level of the way up but for a border, and of it what the next level needs.

    The features of the coarser level, doubled, lie before those of the way down.
    """
    height, width = (2 * side for side in below.shape[2:])

    def beside(top: int, stop: int) -> Tensor:
        if isinstance(skip, Tensor):
            return inner(skip, (skip.shape[3] - width) // 2)[:, :, top:stop]
        return skip(top, stop)

    def joined(top: int, stop: int) -> Tensor:
        first = top // 2
        doubled = functional.interpolate(
            below[:, :, first : -(-stop // 2)], scale_factor=2.0, mode="nearest"
        )
        rows = slice(top - 2 * first, stop - 2 * first)
        return torch.cat([doubled[:, :, rows], beside(top, stop)], dim=1)

    if cut_px < 2:
        return after(inner(block.forward(joined(0, height), True), cut_px))
    # What is cut off the level needs no zeros around it; the block leaves out two pixels.
    left_px = cut_px - 2

    def compute(top: int, stop: int) -> Tensor:
        seen = joined(top + left_px, stop + left_px + 4)
        # Called by its name, because a module would hold the largest tensor of all to the end.
        return after(block.forward(seen[..., left_px : width - left_px], False))

    return by_rows(compute, height - 2 * cut_px, below.device)


def build(_architecture: str, widths: tuple[int, ...], n_classes: int) -> UNet:
    """Build a plain U-Net, as `architectures.build_network` asks for it.

    Parameters
    ----------
    _architecture : str
        Not used: this module has one architecture.
    widths : tuple of int
        Channels of each level, the finest first.
    n_classes : int
        Classes that the network distinguishes, without background.

    Returns
    -------
    UNet
        With random weights.
    """
    return UNet(widths, n_classes)
