"""The training loop: resumable at its last validation, reproducible from its seed."""

from __future__ import annotations

import csv
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nucwsi.config import TrainSettings
from nucwsi.errors import ConfigError
from nucwsi.models.network import Network, NetworkMaps
from nucwsi.models.unet import UNet
from nucwsi.runtime.ahead import ahead
from nucwsi.training.augment import draw_batch
from nucwsi.training.batches import Batch
from nucwsi.training.losses import teacher_loss, total_loss
from nucwsi.training.sample import Sample
from nucwsi.training.sampling import (
    class_weights,
    read_source_weights,
    sample_weights,
    select_supervision,
)
from nucwsi.training.teachers import Teach
from nucwsi.training.trainee import Trainee

log = logging.getLogger(__name__)

#: Scores a network on validation images: column of the curves -> score; the state of training with
#: the largest sum is kept.
Validate = Callable[[UNet], dict[str, float]]


def _draw(
    how: TrainSettings, samples: list[Sample], chances: NDArray[np.float64], step: int
) -> tuple[Batch, list[str]]:
    # A generator of its own for each step: a resumed run draws the same crops.
    return draw_batch(samples, chances, how, np.random.default_rng((how.seed, step)))


def train(
    samples: list[Sample],
    how: TrainSettings,
    folder: Path,
    device: torch.device,
    validate: Validate,
    teach: Teach | None = None,
    start: Network | None = None,
    advance: Callable[..., None] = lambda _count, **_: None,
) -> UNet:
    """Train one member, or go on where a killed run stopped.

    Parameters
    ----------
    samples : list of Sample
        To learn from.
    how : TrainSettings
        How to train.
    folder : pathlib.Path
        Receives ``state.pt`` (to resume) and ``curves.csv``.
    device : torch.device
        Where to compute.
    validate : callable
        Scores a network; the states of training are judged by the sum of what it returns.
    teach : callable, optional
        Answers to the images of a batch and the number of the step, which are learnt as well.
    start : Network, optional
        Network whose weights training begins with.
    advance : callable
        Called with the number of steps just done; with ``earlier=True`` for those of the run that
        was killed.

    Returns
    -------
    UNet
        On `device`, with the averaged weights that were best on validation.

    Raises
    ------
    ConfigError
        If `folder` holds the state of other settings, the loss is not a number, or `start_share`
        has no `start` or a class head beside that of `start`.
    """
    if how.start_share and how.fresh_classes and not how.head_steps:
        raise ConfigError(
            f"`start_share` is {how.start_share}, but `fresh_classes` begins with a random class"
            " head, and its mean with the learnt one answers nothing; give `head_steps`, in which"
            " it learns to read what `start` sees"
        )
    if how.start_share and start is None:
        raise ConfigError(
            f"`start_share` is {how.start_share} but `start` is {how.start!r}; expected a"
            " checkpoint whose weights are mixed in"
        )
    folder.mkdir(parents=True, exist_ok=True)
    samples = select_supervision(samples, how)
    rarity = class_weights(samples, len(how.classes))
    weights = torch.from_numpy(rarity if how.class_weights else np.ones_like(rarity))
    weights = weights.float().to(device)
    worth = read_source_weights(how.source_weights, samples)
    chances = sample_weights(samples, rarity if how.oversampling else None, worth)
    trainee = Trainee(how, device, start)
    state_file = folder / "state.pt"
    if state_file.exists():
        trainee.resume(state_file)
        advance(trainee.step, earlier=True)
    started, losses = time.monotonic(), []
    draw, steps = partial(_draw, how, samples, chances), range(trainee.step, how.steps)
    # The next batch is drawn while the network learns from this one.
    with ThreadPoolExecutor(1) as pool:
        for step, (crops, names) in ahead(draw, steps, pool, 1):
            loss = _loss(trainee, crops, weights, teach)
            if not torch.isfinite(loss):
                raise ConfigError(
                    f"the loss at step {step} is {loss.item()}, on crops of"
                    f" {', '.join(sorted(set(names)))}; look at these, or lower `learning_rate`"
                )
            trainee.learn(loss)
            losses.append(loss.item())
            advance(1)
            if trainee.step % how.validate_every == 0 or trainee.step == how.steps:
                _validate(trainee, validate, losses, time.monotonic() - started)
                started, losses = time.monotonic(), []
                trainee.save(state_file)
                _write_curves(folder / "curves.csv", trainee.curves)
    trainee.network.load_state_dict(trainee.best_weights)
    if start is not None:
        mix(trainee.network, trainee.begun, how.start_share)
    return trainee.network.eval()


@torch.no_grad()
def mix(network: UNet, begun: dict[str, Tensor], share: float) -> None:
    """Average the weights of a network with those that it began with.

    Parameters
    ----------
    network : UNet
        Trained from `begun`; it is changed in place.
    begun : dict of Tensor
        Its weights before.
    share : float
        Of `begun`: 0 leaves the network as it is, 1 makes it what it was before.

    References
    ----------
    Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022, section 3.
    """
    for name, weights in network.state_dict().items():
        if weights.is_floating_point():
            weights.lerp_(begun[name].to(weights), share)


def _loss(trainee: Trainee, crops: Batch, class_weights: Tensor, teach: Teach | None) -> Tensor:
    """Return the loss of a batch; with teachers, half of it is the distance from their answer."""
    how, batch, precision = trainee.how, crops.on(trainee.device), trainee.precision
    with torch.autocast(trainee.device.type, precision, enabled=precision != torch.float32):
        raw = trainee.network(batch.image)
    raw = NetworkMaps(*(value.float() for value in raw))
    loss = total_loss(raw, batch, class_weights, how)
    if teach is None:
        return loss
    shown = crops.image if how.teacher_colour else crops.plain
    return (loss + teacher_loss(raw, *teach(shown, trainee.step), how)) / 2


def _validate(trainee: Trainee, validate: Validate, losses: list[float], seconds: float) -> None:
    """Score the averaged network, keep it if it is the best, and add a row to the curves."""
    scores = validate(trainee.averaged)
    trainee.keep_best(sum(scores.values()))
    row = {
        "step": trainee.step,
        "loss": float(np.mean(losses)),
        **scores,
        "seconds_per_step": seconds / len(losses),
    }
    trainee.curves.append(row)
    log.info("%s", " ".join(f"{key} {value:.4g}" for key, value in row.items()))


def learning_seconds(path: Path) -> float:
    """Return how long the steps of a training took, without the validations.

    Parameters
    ----------
    path : pathlib.Path
        ``curves.csv`` of `train`.

    Returns
    -------
    float
        In seconds; those of a killed run, which another one continued, included.
    """
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    steps = np.diff([0, *(int(row["step"]) for row in rows)])
    return float(steps @ np.array([float(row["seconds_per_step"]) for row in rows]))


def _write_curves(path: Path, rows: list[dict[str, float]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
