"""What an ensemble answers to crops, for a network to learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from nucwsi.config import TrainSettings
from nucwsi.models.checkpoint import Card
from nucwsi.models.predict import Ensemble
from nucwsi.models.unet import Maps


def teaching(
    cards: tuple[Card, ...], how: TrainSettings, device: torch.device
) -> Callable[[Tensor], Maps] | None:
    """Make ready to ask an ensemble about crops.

    Parameters
    ----------
    cards : tuple of Card
        Its members.
    how : TrainSettings
        Of the network that learns.
    device : torch.device

    Returns
    -------
    callable or None
        See `asked`; None where there is no member.
    """
    if not cards:
        return None
    ensemble = Ensemble.load(cards, device, how.teacher_views)
    return partial(asked, ensemble, scale=how.mpp / cards[0].mpp)


def asked(teachers: Ensemble, image: Tensor, scale: float) -> Maps:
    """Ask teachers about crops, at their own resolution.

    Parameters
    ----------
    teachers : Ensemble
    image : (N, 3, H, W) Tensor of float32
        RGB in [0, 1].
    scale : float
        Pixels of the teachers per pixel of the crops, along each axis.

    Returns
    -------
    Maps
        On the pixels of the crops and the device of the teachers.
    """
    stride = max(member.stride for member in teachers.members)
    shape = image.shape[-2:]
    size = [max(1, round(side * scale / stride)) * stride for side in shape]
    rgb = (_resized(image, size) * 255).round().to(torch.uint8).numpy()
    # Made without a graph, they can take part in one as copies only.
    return Maps(*(_resized(value.clone(), shape) for value in teachers.mean_maps(rgb)))


def _resized(values: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(values.shape[-2:]) == tuple(size):
        return values
    return functional.interpolate(values, size=size, mode="bilinear", antialias=True)
