"""Maps that an ensemble predicts for crops, from which a network learns (distillation)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from nucwsi.config import TrainSettings
from nucwsi.errors import ConfigError
from nucwsi.models.card import Card
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.network import NetworkMaps

#: Takes crops (N, 3, H, W), RGB in [0, 1], and the number of the step; answers as `ask`.
Teach: TypeAlias = Callable[[Tensor, int], NetworkMaps]


def load_teachers(
    cards: tuple[Card, ...], how: TrainSettings, device: torch.device
) -> Teach | None:
    """Load an ensemble whose members answer by turns, one a step.

    Apart from Dice and the choice of pixels, the gradients of the losses are linear in the answers.
    Over the steps a network thus learns the mean answer of all members, at the cost of asking one.

    Parameters
    ----------
    cards : tuple of Card
        Members of the ensemble, of the same classes; each is asked at its own mpp.
    how : TrainSettings
        Settings of the network that learns, with `teacher_views`.
    device : torch.device
        Where the teachers compute.

    Returns
    -------
    Teach or None
        None where there is no member.

    Raises
    ------
    ConfigError
        If the teachers know other classes than are to be learnt.
    """
    if not cards:
        return None
    if cards[0].classes != how.classes:
        raise ConfigError(
            f"`teachers` know the classes {', '.join(cards[0].classes)}; expected those of"
            f" `classes`: {', '.join(how.classes)}"
        )
    teachers = [Ensemble.load((card,), device, how.teacher_views) for card in cards]
    scales = [how.mpp / card.mpp for card in cards]

    def _teach(image: Tensor, step: int) -> NetworkMaps:
        which = step % len(teachers)
        return ask(teachers[which], image, scales[which])

    return _teach


def ask(teacher: Ensemble, image: Tensor, scale: float) -> NetworkMaps:
    """Ask a teacher about crops, at its own resolution.

    Parameters
    ----------
    teacher : Ensemble
        One member or several, whose mean answer is taken.
    image : (N, 3, H, W) Tensor of float32
        RGB in [0, 1], on the pixels of the network that learns.
    scale : float
        Pixels of the teacher per pixel of the crops, along each axis.

    Returns
    -------
    NetworkMaps
        After `activate`: (N, ..., H, W) on the pixels of the crops, on the teacher's device.
    """
    stride = teacher.stride
    shape = image.shape[-2:]
    size = [max(1, round(side * scale / stride)) * stride for side in shape]
    rgb = (_resized(image, size) * 255).round().to(torch.uint8).numpy()
    # The answers are inference tensors: only copies of them can enter the graph of a loss.
    return NetworkMaps(*(_resized(value.clone(), shape) for value in teacher.mean_maps(rgb)))


def _resized(values: Tensor, size: Sequence[int]) -> Tensor:
    """Resample the last two axes to `size` pixels, bilinearly and without aliasing."""
    if tuple(values.shape[-2:]) == tuple(size):
        return values
    return functional.interpolate(values, size=size, mode="bilinear", antialias=True)
