"""The ensemble: the mean of the maps of every member in every view."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nucwsi.composition.disagreement import contrast_weights
from nucwsi.errors import CheckpointError, ConfigError
from nucwsi.models.card import Card
from nucwsi.models.layers import inner
from nucwsi.models.loading import load_network
from nucwsi.models.network import Network, NetworkMaps, activate, own_halo_px
from nucwsi.models.views import apply_view, choose_views, undo_maps


class QuantisedMaps(NamedTuple):
    """Maps of one window as they are stored; `segment` sees no other, so windows cannot differ.

    Attributes
    ----------
    np_map : (H, W) ndarray of uint8
        Probability times 255.
    hv_map : (2, H, W) ndarray of int8
        Position times 127.
    tp_map : (C, H, W) ndarray of uint8
        Probability times 255.
    contrast_map : (Q · C, H, W) ndarray of int8
        Contrasts between members and views of `np` times `tp`, by contrast, then class; times 127.
        Q is 0 for one member in one view; see `disagreement.contrast_weights`.
    """

    np_map: NDArray[np.uint8]
    hv_map: NDArray[np.int8]
    tp_map: NDArray[np.uint8]
    contrast_map: NDArray[np.int8]


def choose_precision(device: torch.device, training: bool = False) -> torch.dtype:
    """Return the fastest precision that keeps the maps.

    Parameters
    ----------
    device : torch.device
        Where the network runs.
    training : bool
        Whether gradients are computed; float16 cannot hold small ones.

    Returns
    -------
    torch.dtype
        On CUDA float16, or bfloat16 for training; on processors that multiply bfloat16 faster than
        float32, bfloat16; else float32.
    """
    if device.type == "cuda":
        return torch.bfloat16 if training else torch.float16
    able = torch.cpu.get_capabilities()
    # Measured without AMX: bfloat16 has 0.6 of float32's speed on Intel's AVX-512, on AMD's 1.1
    # to 1.6.
    fast = able.get("amx_bf16") or (able.get("avx512_bf16") and "AMD" in able.get("cpu_name", ""))
    return torch.bfloat16 if fast else torch.float32


@dataclass(frozen=True)
class Ensemble:
    """Members and views, ready on a device.

    Attributes
    ----------
    members : tuple of Network
        Networks for inference, on `device`, with the same classes at the same mpp.
    device : torch.device
        Where the maps are computed.
    precision : torch.dtype
        Of the convolutions; the maps are averaged in float32.
    views : int
        Flips and quarter turns averaged for each member: 1, 2, 4 or 8.

    Raises
    ------
    ConfigError
        If there is no member, or `views` is another number.
    """

    members: tuple[Network, ...]
    device: torch.device
    precision: torch.dtype
    views: int

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
            Cards of the members, in the order of the contrasts.
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
            If a member cannot be loaded.
        ConfigError
            If `views` is another number.
        """
        networks = tuple(load_network(card) for card in cards)
        for network in networks:
            network.to(device, memory_format=torch.channels_last)
        return cls(networks, device, precision or choose_precision(device), views)

    @property
    def stride(self) -> int:
        """Pixels of which the size of every window, less its margin, must be a multiple."""
        return math.lcm(*(member.stride for member in self.members))

    def mean_maps(self, rgb: NDArray[np.uint8], margin_px: int = 0) -> NetworkMaps:
        """Average the maps of all members in all views.

        Parameters
        ----------
        rgb : (N, 3, H, W) ndarray of uint8
            Windows at the ensemble's mpp, 0 to 255; H - 2 `margin_px` and W - 2 `margin_px` are
            multiples of `stride`.
        margin_px : int
            Pixels at each border of `rgb` that are seen but not answered for.

        Returns
        -------
        NetworkMaps
            float32 on the device: probabilities and positions of the windows without the margin.
        """
        return self.mean_and_contrasts(rgb, margin_px, contrasts=False)[0]

    @torch.inference_mode()
    def mean_and_contrasts(
        self, rgb: NDArray[np.uint8], margin_px: int = 0, contrasts: bool = True
    ) -> tuple[NetworkMaps, torch.Tensor]:
        """Average the maps of all members in all views, and keep how they differ.

        Parameters
        ----------
        rgb, margin_px
            As for `mean_maps`.
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
        tensor = torch.from_numpy(rgb)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory().to(self.device, non_blocking=True)
        image = tensor.to(torch.float32).div_(255)
        weights = contrast_weights(self.views, len(self.members))[:, :, :, None, None, None]
        if not contrasts:
            weights = weights[:0]
        totals: list[torch.Tensor] = []
        contrast: torch.Tensor | None = None
        for number, view in enumerate(choose_views(self.views)):
            seen = apply_view(image, view).contiguous(memory_format=torch.channels_last)
            for place, member in enumerate(self.members):
                maps = undo_maps(self._activated(member, seen, margin_px), view)
                totals = list(map(torch.add, totals, maps)) if totals else list(maps)
                if len(weights):
                    weight = torch.from_numpy(weights[:, number, place]).to(self.device)
                    share = weight * (maps.np_map * maps.tp_map)[:, None]
                    contrast = share if contrast is None else contrast + share
        count = self.views * len(self.members)
        mean = NetworkMaps(*(totals if count == 1 else (value / count for value in totals)))
        return mean, mean.tp_map[:, None][:, :0] if contrast is None else contrast

    def _activated(self, member: Network, image: torch.Tensor, margin_px: int) -> NetworkMaps:
        # The margin is as wide as the member that sees farthest needs it.
        unseen_px = _unseen_px(member, margin_px)
        enabled = self.precision != torch.float32
        with torch.autocast(self.device.type, self.precision, enabled=enabled):
            raw = member(inner(image, unseen_px), margin_px - unseen_px)
        return activate(raw)

    def quantised(self, rgb: NDArray[np.uint8], margin_px: int) -> list[QuantisedMaps]:
        """Compute the maps of a batch of windows, rounded as they are stored.

        Parameters
        ----------
        rgb : (N, 3, H, W) ndarray of uint8
            Windows with their margin, as for `mean_maps`.
        margin_px : int
            Pixels at each border of `rgb` that are seen but not answered for.

        Returns
        -------
        list of QuantisedMaps
            One for each window, of H - 2 `margin_px` by W - 2 `margin_px` pixels.

        Raises
        ------
        CheckpointError
            If an answer is not a number, which rounding would turn into one.
        """
        maps, contrasts = self.mean_and_contrasts(rgb, margin_px)
        if not all(bool(values.sum().isfinite()) for values in maps):
            raise CheckpointError(
                f"a member's answer is not a number: its weights are too large for {self.precision}"
                " or damaged; get it anew, or leave it out"
            )
        np_map = _stored(maps.np_map, 255, torch.uint8)
        hv_map = _stored(maps.hv_map, 127, torch.int8)
        tp_map = _stored(maps.tp_map, 255, torch.uint8)
        contrast_map = _stored(contrasts.flatten(1, 2).clamp(-1, 1), 127, torch.int8)
        return [
            QuantisedMaps(np_map[i, 0], hv_map[i], tp_map[i], contrast_map[i])
            for i in range(rgb.shape[0])
        ]


def _unseen_px(member: Network, margin_px: int) -> int:
    """Return how much of a margin, from outside, a member need not be shown; see `grid`.

    What it is shown beyond the margin stays a multiple of its stride, so that its cells lie on the
    canvas as in every other window, whatever the strides of the other members.
    """
    shown_px = margin_px // member.stride * member.stride
    if member.local:
        shown_px = min(shown_px, own_halo_px(member))
    return margin_px - shown_px


def _stored(values: torch.Tensor, scale: int, dtype: torch.dtype) -> NDArray[Any]:
    """Round the multiples of 1 / `scale` to integers, on the processor."""
    rounded: NDArray[Any] = (values * scale).round_().to(dtype).cpu().numpy()
    return rounded


def largest_batch(ensemble: Ensemble, side_px: int, limit: int) -> int:
    """Find how many windows fit on the device at once, by trying.

    Parameters
    ----------
    ensemble : Ensemble
        On the device whose memory counts.
    side_px : int
        Side of the square windows in pixels, with halo.
    limit : int
        Windows that there are; no larger batch is tried.

    Returns
    -------
    int
        1 on a CPU, where a batch is not faster; on CUDA the largest power of two that fits.
    """
    if ensemble.device.type == "cpu":
        return 1
    side_px = -(-side_px // ensemble.stride) * ensemble.stride
    batch = 1
    while batch < limit:
        try:
            ensemble.mean_maps(np.zeros((2 * batch, 3, side_px, side_px), np.uint8))
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
        batch *= 2
    return batch
