"""From tiles to mean maps: every member looks at every view, and the answers are averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from nucwsi.composition.disagreement import contrast_weights
from nucwsi.errors import ConfigError
from nucwsi.models.checkpoint import Card, load_network
from nucwsi.models.layers import inner
from nucwsi.models.seresnext import SEResNeXt
from nucwsi.models.unet import Maps, UNet, activate
from nucwsi.models.views import apply_view, choose_views, undo_maps

Network: TypeAlias = UNet | SEResNeXt


class Quantised(NamedTuple):
    """Maps as they are stored; `segment` sees nothing else, so every window sees the same numbers.

    Attributes
    ----------
    np_map : (H, W) ndarray of uint8
        Probability times 255.
    hv_map : (2, H, W) ndarray of int8
        Position times 127.
    tp_map : (C, H, W) ndarray of uint8
        Probability times 255.
    contrast_map : (Q · C, H, W) ndarray of int8
        Contrasts between answers of `np` times `tp`, by contrast, then class; times 127. Q is 0 for
        a single answer; see `contrasts.contrast_weights`.
    """

    np_map: NDArray[np.uint8]
    hv_map: NDArray[np.int8]
    tp_map: NDArray[np.uint8]
    contrast_map: NDArray[np.int8]


def choose_device(name: str) -> torch.device:
    """Turn a device setting into a device.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    torch.device

    Raises
    ------
    ConfigError
        If there is no device of this name, or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: {name!r} is none of auto, cpu, cuda and cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name!r}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA"
            " devices; use `device: cpu` or install a CUDA build of torch"
        )
    return device


def choose_precision(device: torch.device, training: bool = False) -> torch.dtype:
    """Return the fastest precision that keeps the maps.

    Parameters
    ----------
    device : torch.device
    training : bool
        float16 cannot hold small gradients.

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
    members : tuple of UNet or SEResNeXt
    device : torch.device
    precision : torch.dtype
    views : int
        1, 2, 4 or 8.
    """

    members: tuple[Network, ...]
    device: torch.device
    precision: torch.dtype
    views: int

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
        device : torch.device
        views : int
            1, 2, 4 or 8.
        precision : torch.dtype, optional
            Default: `choose_precision`.

        Returns
        -------
        Ensemble

        Raises
        ------
        CheckpointError
            If a member cannot be loaded.
        """
        choose_views(views)
        networks = tuple(load_network(card).to(device) for card in cards)
        for network in networks:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(networks, device, precision or choose_precision(device), views)

    def mean_maps(self, rgb: NDArray[np.uint8], margin_px: int = 0) -> Maps:
        """Average all members' answers to all views.

        Parameters
        ----------
        rgb : (N, 3, H, W) ndarray of uint8
            H and W are multiples of the networks' stride.
        margin_px : int
            Pixels on each side of `rgb` that are seen but not asked for.

        Returns
        -------
        Maps
            float32 on the device: probabilities and positions in the frame of `rgb`, without the
            margin.
        """
        return self.answered(rgb, margin_px, contrasts=False)[0]

    @torch.inference_mode()
    def answered(
        self, rgb: NDArray[np.uint8], margin_px: int = 0, contrasts: bool = True
    ) -> tuple[Maps, torch.Tensor]:
        """Ask all members about all views.

        Parameters
        ----------
        rgb, margin_px
            As for `mean_maps`.
        contrasts : bool
            Whether these are wanted.

        Returns
        -------
        mean : Maps
            What `mean_maps` returns.
        contrasts : (N, Q, C, H, W) Tensor
            Of `np` times `tp`; see `contrasts.contrast_weights`.
        """
        tensor = torch.from_numpy(rgb)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory().to(self.device, non_blocking=True)
        image = tensor.to(torch.float32).div_(255)
        weights = contrast_weights(self.views, len(self.members))[:, :, :, None, None, None]
        if not contrasts:
            weights = weights[:0]
        total: Maps | None = None
        apart: torch.Tensor | None = None
        for number, view in enumerate(choose_views(self.views)):
            seen = apply_view(image, view).contiguous(memory_format=torch.channels_last)
            for place, member in enumerate(self.members):
                answer = undo_maps(self._answer(member, seen, margin_px), view)
                total = answer if total is None else Maps(*map(torch.add, total, answer))
                if len(weights):
                    weight = torch.from_numpy(weights[:, number, place]).to(self.device)
                    share = weight * (answer.np_map * answer.tp_map)[:, None]
                    apart = share if apart is None else apart + share
        count = self.views * len(self.members)
        if total is None:
            raise ConfigError("an ensemble needs at least one member")
        mean = total if count == 1 else Maps(*(value / count for value in total))
        return mean, mean.tp_map[:, None][:, :0] if apart is None else apart

    def _answer(self, member: Network, image: torch.Tensor, margin_px: int) -> Maps:
        # The margin is as wide as the member that sees farthest needs it.
        unseen_px = _unseen_px(member, margin_px)
        enabled = self.precision != torch.float32
        with torch.autocast(self.device.type, self.precision, enabled=enabled):
            raw = member(inner(image, unseen_px), margin_px - unseen_px)
        return activate(raw)

    def quantised(self, rgb: NDArray[np.uint8], halo_px: int) -> list[Quantised]:
        """Predict a batch of windows and keep their cores.

        Parameters
        ----------
        rgb : (N, 3, H, W) ndarray of uint8
            Windows with their halo.
        halo_px : int
            Margin that is cut off.

        Returns
        -------
        list of Quantised
            One for each window, of H - 2 halo by W - 2 halo pixels.
        """
        maps, apart = self.answered(rgb, halo_px)
        np_map = _stored(maps.np_map, 255, torch.uint8)
        hv_map = _stored(maps.hv_map, 127, torch.int8)
        tp_map = _stored(maps.tp_map, 255, torch.uint8)
        contrast_map = _stored(apart.flatten(1, 2).clamp(-1, 1), 127, torch.int8)
        return [
            Quantised(np_map[i, 0], hv_map[i], tp_map[i], contrast_map[i])
            for i in range(rgb.shape[0])
        ]


def _unseen_px(member: Network, margin_px: int) -> int:
    """Return how much of a margin no answer of a local member depends on."""
    if not isinstance(member, UNet):
        return 0
    return max(0, margin_px - member.receptive_radius_px) // member.stride * member.stride


def _stored(values: torch.Tensor, scale: int, dtype: torch.dtype) -> NDArray[Any]:
    answer: NDArray[Any] = (values * scale).round_().to(dtype).cpu().numpy()
    return answer


def largest_batch(ensemble: Ensemble, side_px: int, limit: int) -> int:
    """Find how many windows fit at once.

    Parameters
    ----------
    ensemble : Ensemble
    side_px : int
        Side of the square windows, with halo.
    limit : int
        No more than this.

    Returns
    -------
    int
        1 on a CPU, where a batch is not faster; on CUDA the largest power of two that fits.
    """
    if ensemble.device.type == "cpu":
        return 1
    batch = 1
    while batch < limit:
        try:
            ensemble.mean_maps(np.zeros((2 * batch, 3, side_px, side_px), np.uint8))
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
        batch *= 2
    return batch
