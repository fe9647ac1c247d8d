"""Maps that an ensemble predicts for crops, from which a network learns (distillation)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from nucwsi.config import TrainSettings
from nucwsi.models.card import Card
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.network import NetworkMaps
from nucwsi.training.other_classes import meant


class Answer(NamedTuple):
    """What a teacher of K classes says of crops, to a network of C classes.

    Attributes
    ----------
    maps : NetworkMaps
        As `ask` returns them.
    meant : (K, C) Tensor of bool
        Which classes of the network each class of the teacher may mean.
    """

    maps: NetworkMaps
    meant: Tensor


#: Takes crops (N, 3, H, W), RGB in [0, 1], and the number of the step.
Teach: TypeAlias = Callable[[Tensor, int], Answer]


def load_teachers(
    cards: tuple[Card, ...], how: TrainSettings, device: torch.device
) -> Teach | None:
    """Load an ensemble whose members answer by turns, one a step.

    Apart from Dice and the choice of pixels, the gradients of the losses are linear in the answers.
    Over the steps a network thus learns the mean answer of all members, at the cost of asking one.

    Parameters
    ----------
    cards : tuple of Card
        Members of the ensemble; each is asked at its own mpp. Their classes are those to be learnt,
        or such as may mean them: `epithelial` teaches that a nucleus is neoplastic or healthy.
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
        If the classes of a teacher say nothing of those to be learnt.
    """
    if not cards:
        return None
    told = [meant(card.classes, how.classes, "teachers") for card in cards]
    teachers = [Ensemble.load((card,), device, how.teacher_views) for card in cards]
    scales = [how.mpp / card.mpp for card in cards]

    def _teach(image: Tensor, step: int) -> Answer:
        which = step % len(teachers)
        return Answer(ask(teachers[which], image, scales[which]), told[which].to(device))

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
