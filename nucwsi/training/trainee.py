"""A network in training, with all that its next step depends on."""

from __future__ import annotations

import logging
import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nucwsi.config import TrainSettings
from nucwsi.errors import ConfigError, pass_on_lack_of_memory
from nucwsi.models.architectures import build_trainable
from nucwsi.models.network import Network
from nucwsi.models.precision import choose_precision
from nucwsi.models.unet import UNet
from nucwsi.training.reshape import reshape

log = logging.getLogger(__name__)

#: What a state on disk holds: parts with a state of their own, and plain values.
_PARTS = ("network", "average", "optimiser")
_VALUES = ("step", "best", "best_weights", "begun", "curves")

#: How many times faster the heads learn while they learn alone.
_HEAD_RATE = 10


def learning_rate(step: int, how: TrainSettings) -> float:
    """Return the rate of a step: constant for the heads alone, then rising, then falling to zero.

    It rises linearly and falls along a cosine.

    Parameters
    ----------
    step : int
        Steps done before, from 0.
    how : TrainSettings
        `learning_rate` at its highest, `head_steps`, `warmup_steps` and `steps`.

    Returns
    -------
    float
        0 to `how.learning_rate`, or the rate of the heads while they learn alone.

    References
    ----------
    Loshchilov and Hutter, SGDR, ICLR 2017, equation 5, without restarts.
    """
    if step < how.head_steps:
        return _HEAD_RATE * how.learning_rate
    step, steps = step - how.head_steps, how.steps - how.head_steps
    if step < how.warmup_steps:
        return how.learning_rate * (step + 1) / how.warmup_steps
    done = (step - how.warmup_steps) / max(1, steps - how.warmup_steps)
    return how.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _averaged(decay: float, average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    """Move an average towards the current weights, `count` steps after it began."""
    if not average.is_floating_point():
        return current
    # A young average follows quickly, or the first random weights would stay in it for long.
    return torch.lerp(average, current, max(1 - decay, 1 / (1 + int(count) / 4)))


def first_network(how: TrainSettings, start: Network | None) -> UNet:
    """Build the network that training begins with.

    Parameters
    ----------
    how : TrainSettings
        Architecture, widths, classes, seed, and which weights and statistics are kept.
    start : Network, optional
        Network whose weights it takes, fitted to its shape (`reshape`). Without it the weights are
        random, except those of an encoder with `pretrained` weights.

    Returns
    -------
    UNet
        In training mode, but for the normalisations that `frozen_norm` keeps.

    Raises
    ------
    ConfigError
        If the crops or `start` do not fit the network, or `frozen_norm` or `fresh_classes` has no
        `start`.
    """
    for setting in ("frozen_norm", "fresh_classes"):
        if getattr(how, setting) and start is None:
            raise ConfigError(
                f"`{setting}` is {getattr(how, setting)} but `start` is {how.start!r}; expected a"
                " checkpoint whose other weights are kept"
            )
    torch.manual_seed(how.seed)
    network = build_trainable(how.architecture, how.widths, len(how.classes))
    network.dropout = how.dropout
    if how.crop_px % network.stride:
        raise ConfigError(
            f"`crop_px` is {how.crop_px}; expected a multiple of {network.stride}, the stride of a"
            f" network of {len(how.widths)} `widths`"
        )
    if start is not None:
        random = [parameter[3:].detach().clone() for parameter in network.heads.parameters()]
        try:
            network.load_state_dict(reshape(start, network))
        except ValueError as error:
            raise ConfigError(
                f"`start` cannot begin a {how.architecture} of `widths` {how.widths}: {error};"
                " expected one whose way up is no wider, and whose way down is the same or goes on"
                " further"
            ) from None
        if how.fresh_classes:
            with torch.no_grad():
                for parameter, rows in zip(network.heads.parameters(), random, strict=True):
                    parameter[3:] = rows
    elif how.pretrained:
        network.encoder.load_published()
    if how.frozen_norm:
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
    return network


class Trainee:
    """A network with all that its next step depends on.

    Parameters
    ----------
    how : TrainSettings
        How it is trained.
    device : torch.device
        Where it computes.
    start : Network, optional
        Network whose weights it begins with.

    Attributes
    ----------
    begun : dict of Tensor
        Weights with which all layers begin to learn: those of the start or, after `head_steps`,
        with heads that fit them.

    Raises
    ------
    ConfigError
        As `first_network`.

    References
    ----------
    Kumar et al., Fine-tuning can distort pretrained features and underperform out-of-distribution,
    ICLR 2022, section 3.4: first the head alone, then all layers.
    """

    def __init__(self, how: TrainSettings, device: torch.device, start: Network | None) -> None:
        self.how, self.device = how, device
        self.precision = choose_precision(device, training=True)
        self.network = first_network(how, start)
        published = self.network.encoder.published_parameters() if how.pretrained else []
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network, avg_fn=partial(_averaged, how.ema_decay), use_buffers=True
        )
        slower = set(published)
        fresh = [weight for weight in self.network.parameters() if weight not in slower]
        groups = [
            {"params": fresh, "share": 1.0},
            {"params": published, "share": how.pretrained_rate},
        ]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=how.weight_decay)
        self.step, self.best = 0, -math.inf
        self.best_weights: dict[str, Tensor] = {}
        self.curves: list[dict[str, float]] = []
        self.begun = self._copied()
        self._choose_learners()

    @property
    def averaged(self) -> UNet:
        """The network with averaged weights, which is validated and published."""
        module = self.average.module
        if not isinstance(module, UNet):
            raise TypeError(f"expected a UNet, got {type(module)}")
        return module

    def learn(self, loss: Tensor) -> None:
        """Take one step of the optimiser, and move the average.

        Parameters
        ----------
        loss : () Tensor
            Scalar loss of the network's output.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = group["share"] * learning_rate(self.step, self.how)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.how.clip_norm)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1
        if self.step == self.how.head_steps:
            self.begun = self._copied()
            self._choose_learners()

    def keep_best(self, score: float) -> None:
        """Keep the averaged weights if no earlier score was higher.

        Parameters
        ----------
        score : float
            On validation images; more is better.
        """
        if score >= self.best:
            self.best, self.best_weights = score, self._copied()

    def _copied(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.averaged.state_dict().items()}

    def _choose_learners(self) -> None:
        self.network.requires_grad_(self.step >= self.how.head_steps)
        self.network.heads.requires_grad_(True)

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all.

        Parameters
        ----------
        path : pathlib.Path
            ``state.pt``.
        """
        state = {
            "settings": self.how.model_dump_json(),
            **{name: getattr(self, name) for name in _VALUES},
            **{name: getattr(self, name).state_dict() for name in _PARTS},
        }
        aside = path.with_suffix(".tmp")
        torch.save(state, aside)
        aside.replace(path)

    def resume(self, path: Path) -> None:
        """Read a state that `save` has written.

        Parameters
        ----------
        path : pathlib.Path
            ``state.pt``.

        Raises
        ------
        ConfigError
            If the state is that of other settings, or damaged.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        # A damaged pickle fails in many ways, and torch names ways to run the code in it.
        except Exception as error:  # noqa: BLE001
            pass_on_lack_of_memory(error)
            raise ConfigError(
                f"{path}: cannot be read ({type(error).__name__}); remove it to start anew"
            ) from None
        if state["settings"] != self.how.model_dump_json():
            raise ConfigError(f"{path}: belongs to other settings; remove it or train elsewhere")
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        for name in _VALUES:
            setattr(self, name, state[name])
        self._choose_learners()
        log.info("resuming at step %d", self.step)
