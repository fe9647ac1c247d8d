"""The ensemble: the mean of the maps of every member in every view."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from nucwsi.composition.disagreement import contrast_weights
from nucwsi.errors import CheckpointError, ConfigError
from nucwsi.models.card import Card, canvas_card, scales
from nucwsi.models.layers import inner
from nucwsi.models.loading import load_network
from nucwsi.models.network import Network, NetworkMaps, activate, own_halo_px
from nucwsi.models.precision import choose_precision
from nucwsi.models.quantised import QuantisedMaps, pack_maps, unpack_maps
from nucwsi.models.resolution import (
    LARGEST_STRIDE_PX,
    OwnPixels,
    margin_on_canvas,
    shown_in_margin,
)
from nucwsi.models.views import apply_view, choose_views, undo_maps
from nucwsi.runtime.device import placed


@dataclass(frozen=True)
class Ensemble:
    """Members and views, ready on a device.

    Attributes
    ----------
    members : tuple of Network
        Networks for inference, on `device`, with the same classes.
    device : torch.device
        Where the maps are computed.
    precision : torch.dtype
        Of the convolutions; the maps are averaged in float32.
    views : int
        Flips and quarter turns averaged for each member: 1, 2, 4 or 8.
    scales : tuple of float
        Canvas pixels per pixel of each member, at least 1; empty where all are at the canvas' mpp.

    Raises
    ------
    ConfigError
        If there is no member, or `views` is another number.
    """

    members: tuple[Network, ...]
    device: torch.device
    precision: torch.dtype
    views: int
    scales: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        choose_views(self.views)
        if not self.members:
            raise ConfigError(f"an ensemble needs at least one member, got {self.members}")

    @classmethod
    def load(
        cls,
        cards: tuple[Card, ...],
        device: torch.device,
        views: int,
        precision: torch.dtype | None = None,
    ) -> Ensemble:
        """Load the members onto a device.

        Parameters
        ----------
        cards : tuple of Card
            Cards of the members, in the order of the contrasts. The canvas has the finest mpp.
        device : torch.device
            Where the maps will be computed.
        views : int
            Flips and quarter turns averaged for each member: 1, 2, 4 or 8.
        precision : torch.dtype, optional
            Default: `choose_precision`.

        Returns
        -------
        Ensemble
            Ready to compute maps.

        Raises
        ------
        CheckpointError
            If a member cannot be loaded, or not be shown other pixels than the canvas'.
        ConfigError
            If `views` is another number.
        """
        networks = tuple(load_network(card) for card in cards)
        for network in networks:
            network.to(device, memory_format=torch.channels_last)
        precision = precision or choose_precision(device)
        ensemble = cls(networks, device, precision, views, scales(cards))
        for scale, places in ensemble._by_scale().items():
            stride = ensemble._stride_of(places)
            if scale != 1 and stride > LARGEST_STRIDE_PX:
                raise CheckpointError(
                    f"{cards[places[0]].path}: has a stride of {stride} px at"
                    f" {cards[places[0]].mpp} µm/px, but the canvas has {canvas_card(cards).mpp};"
                    f" expected at most {LARGEST_STRIDE_PX}; leave it out"
                )
        return ensemble

    def _by_scale(self) -> dict[float, list[int]]:
        """Return which members are at one mpp, by the scale of their pixels."""
        groups: dict[float, list[int]] = {}
        for place in range(len(self.members)):
            groups.setdefault(self.scales[place] if self.scales else 1.0, []).append(place)
        return groups

    def _stride_of(self, places: list[int]) -> int:
        return math.lcm(*(self.members[place].stride for place in places))

    @property
    def stride(self) -> int:
        """Pixels of which the size of every window, less its margin, must be a multiple.

        Members at another mpp than the canvas' ask for nothing: they are shown whole cells.
        """
        return self._stride_of(self._by_scale().get(1.0, []))

    @property
    def passes(self) -> int:
        """How many times a window is shown to a member."""
        return self.views * len(self.members)

    @property
    def in_strips(self) -> bool:
        """Whether all members compute strips of rows, which takes little memory."""
        return all(getattr(member, "in_strips", False) for member in self.members)

    @cached_property
    def _contrast_weights(self) -> torch.Tensor:
        """Weights of the contrasts on the device: (Q, views, members)."""
        return placed(contrast_weights(self.views, len(self.members)), self.device)

    def margin_px(self, own_px: int) -> int:
        """Return the margin in which every member sees at least so many of its own pixels.

        Parameters
        ----------
        own_px : int
            Width of what they are to see around a window; a multiple of their strides.

        Returns
        -------
        int
            In canvas pixels: `own_px` where all members are at the canvas' mpp.
        """
        groups = self._by_scale().items()
        return max(margin_on_canvas(own_px, scale, self._stride_of(of)) for scale, of in groups)

    def mean_maps(
        self,
        rgb: NDArray[np.uint8],
        margin_px: int = 0,
        origins: Sequence[tuple[int, int]] | None = None,
    ) -> NetworkMaps:
        """Average the maps of all members in all views.

        Parameters
        ----------
        rgb : (N, 3, H, W) ndarray of uint8
            Windows at the canvas' mpp, 0 to 255; H - 2 `margin_px` and W - 2 `margin_px` are
            multiples of `stride`.
        margin_px : int
            Pixels at each border of `rgb` that are seen but not answered for.
        origins : sequence of (int, int), optional
            Row and column on the canvas of the first pixel that is answered for, of each window:
            a member at another mpp sees pixels that are counted from the origin of the canvas.
            Default: all windows begin there.

        Returns
        -------
        NetworkMaps
            float32 on the device: probabilities and positions of the windows without the margin.
        """
        return self.mean_and_contrasts(rgb, margin_px, origins, contrasts=False)[0]

    @torch.inference_mode()
    def mean_and_contrasts(
        self,
        rgb: NDArray[np.uint8] | torch.Tensor,
        margin_px: int = 0,
        origins: Sequence[tuple[int, int]] | None = None,
        contrasts: bool = True,
    ) -> tuple[NetworkMaps, torch.Tensor]:
        """Average the maps of all members in all views, and keep how they differ.

        Parameters
        ----------
        rgb, margin_px, origins
            As for `mean_maps`; a Tensor of uint8 may be on the device already.
        contrasts : bool
            Whether to compute the contrasts; without, Q is 0.

        Returns
        -------
        mean : NetworkMaps
            As `mean_maps` returns it.
        contrasts : (N, Q, C, H, W) Tensor of float32
            Weighted sums of the members' and views' `np` times `tp`, in the frame of `mean`; see
            `disagreement.contrast_weights`.
        """
        image = torch.as_tensor(rgb, device=self.device)
        image = image.to(torch.float32, memory_format=torch.channels_last).div_(255)
        weights = self._contrast_weights if contrasts else self._contrast_weights[:0]
        totals: list[torch.Tensor] = []
        for scale, places in self._by_scale().items():
            if scale == 1:
                sums = self._sums(image, places, margin_px, weights)
            else:
                pixels = OwnPixels(scale, self._stride_of(places))
                starts = origins or [(0, 0)] * len(rgb)
                sums = self._resampled_sums(image, places, pixels, margin_px, starts, weights)
            totals = list(map(torch.add, totals, sums)) if totals else sums
        count = self.passes
        mean = NetworkMaps(*(value if count == 1 else value / count for value in totals[:3]))
        return mean, totals[3] if len(weights) else mean.tp_map[:, None][:, :0]

    def _sums(
        self,
        image: torch.Tensor,
        places: list[int],
        margin_px: int,
        weights: torch.Tensor,
    ) -> list[torch.Tensor]:
        """Add up, over all views, the three maps of members at one mpp and, if any, contrasts."""
        totals: list[torch.Tensor] = []
        for number, view in enumerate(choose_views(self.views)):
            seen = apply_view(image, view).contiguous(memory_format=torch.channels_last)
            for place in places:
                maps = undo_maps(self._activated(self.members[place], seen, margin_px), view)
                answers = list(maps)
                if len(weights):
                    weight = weights[:, number, place, None, None, None]
                    answers.append(weight * (maps.np_map * maps.tp_map)[:, None])
                totals = list(map(torch.add, totals, answers)) if totals else answers
        return totals

    def _resampled_sums(
        self,
        image: torch.Tensor,
        places: list[int],
        pixels: OwnPixels,
        margin_px: int,
        origins: Sequence[tuple[int, int]],
        weights: torch.Tensor,
    ) -> list[torch.Tensor]:
        """Add up the maps of members at another mpp as `_sums`, and bring them to the canvas.

        Interpolation is linear, so the sum over all views is brought instead of each of them.
        """
        members = [self.members[place] for place in places]
        halo_px = shown_in_margin(margin_px, pixels.scale, pixels.stride)
        if all(member.local for member in members):
            needed_px = max(map(own_halo_px, members))
            halo_px = min(halo_px, -(-needed_px // pixels.stride) * pixels.stride)
        shape = image.shape[-2] - 2 * margin_px, image.shape[-1] - 2 * margin_px
        windows = [pixels.window(shape, origin, margin_px, halo_px) for origin in origins]
        seen = torch.stack([at.show(one) for at, one in zip(windows, image, strict=True)])
        return [
            torch.stack([at.bring(one) for at, one in zip(windows, values, strict=True)])
            for values in self._sums(seen, places, halo_px, weights)
        ]

    def _activated(self, member: Network, image: torch.Tensor, margin_px: int) -> NetworkMaps:
        # The margin is as wide as the member that sees farthest needs it.
        unseen_px = _unseen_px(member, margin_px)
        enabled = self.precision != torch.float32
        with torch.autocast(self.device.type, self.precision, enabled=enabled):
            raw = member(inner(image, unseen_px), margin_px - unseen_px)
        return activate(raw)

    def quantised(
        self,
        rgb: NDArray[np.uint8],
        margin_px: int,
        origins: Sequence[tuple[int, int]] | None = None,
    ) -> list[QuantisedMaps]:
        """Compute the maps of a batch of windows, rounded as they are stored.

        Parameters
        ----------
        rgb : (N, 3, H, W) ndarray of uint8
            Windows with their margin, as for `mean_maps`.
        margin_px : int
            Pixels at each border of `rgb` that are seen but not answered for.
        origins : sequence of (int, int), optional
            Where the windows lie on the canvas, as for `mean_maps`.

        Returns
        -------
        list of QuantisedMaps
            One for each window, of H - 2 `margin_px` by W - 2 `margin_px` pixels.

        Raises
        ------
        CheckpointError
            If an answer is not a number, which rounding would turn into one.
        """
        shape = rgb.shape[-2] - 2 * margin_px, rgb.shape[-1] - 2 * margin_px
        packed = self.packed(rgb, margin_px, origins).cpu().numpy()
        return [self.unpacked(window, shape) for window in packed]

    @torch.inference_mode()
    def packed(
        self,
        rgb: NDArray[np.uint8] | torch.Tensor,
        margin_px: int,
        origins: Sequence[tuple[int, int]] | None = None,
    ) -> torch.Tensor:
        """Compute the maps of a batch of windows on the device, to be copied from it at once.

        Parameters
        ----------
        rgb, margin_px, origins
            As for `quantised`; a Tensor of uint8 may be on the device already.

        Returns
        -------
        (N, L) Tensor of uint8
            On the device; `unpacked` reads a row of it. A GPU need not have computed it yet.
        """
        return pack_maps(*self.mean_and_contrasts(rgb, margin_px, origins))

    def unpacked(self, packed: NDArray[np.uint8], shape: tuple[int, int]) -> QuantisedMaps:
        """Read the maps of one window.

        Parameters
        ----------
        packed : (L,) ndarray of uint8
            A row of what `packed` returns.
        shape : (int, int)
            Height and width of the window without its margin, in pixels.

        Returns
        -------
        QuantisedMaps
            Views of `packed`.

        Raises
        ------
        CheckpointError
            If an answer is not a number, which rounding would turn into one.
        """
        maps = unpack_maps(packed, shape, len(self._contrast_weights))
        if maps is None:
            raise CheckpointError(
                f"a member's answer is not a number: its weights are too large for {self.precision}"
                " or damaged; get it anew, or leave it out"
            )
        return maps


def _unseen_px(member: Network, margin_px: int) -> int:
    """Return how much of a margin, from outside, a member need not be shown; see `grid`.

    What it is shown beyond the margin stays a multiple of its stride, so that its cells lie on the
    canvas as in every other window, whatever the strides of the other members.
    """
    shown_px = margin_px // member.stride * member.stride
    if member.local:
        shown_px = min(shown_px, own_halo_px(member))
    return margin_px - shown_px
