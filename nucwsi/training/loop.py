"""The training loop: resumable at its last checkpoint, reproducible from its seed."""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nucwsi.config import TrainSettings
from nucwsi.errors import ConfigError
from nucwsi.labels.targets import published_hv_targets
from nucwsi.models.architectures import build_trainable
from nucwsi.models.ensemble import choose_precision
from nucwsi.models.network import Network, NetworkMaps
from nucwsi.models.unet import UNet
from nucwsi.training.augment import Batch, draw_batch
from nucwsi.training.data import Sample
from nucwsi.training.losses import teacher_loss, total_loss

log = logging.getLogger(__name__)

#: Names the columns of the curves, and the best state by their sum of validation scores.
Validate = Callable[[UNet], dict[str, float]]


def taught(samples: list[Sample], how: TrainSettings) -> list[Sample]:
    """Return the samples as the settings want them taught.

    Parameters
    ----------
    samples : list of Sample
    how : TrainSettings

    Returns
    -------
    list of Sample
    """
    if how.published_targets:
        samples = [replace(s, hv_map=published_hv_targets(s.instances)) for s in samples]
    if not how.label_sets:
        single = np.isin(np.arange(256), 1 << np.arange(8))
        samples = [replace(s, class_set=s.class_set * single[s.class_set]) for s in samples]
    if not how.point_cover:
        samples = [replace(s, known=s.known & s.outlined) for s in samples]
    return samples


def class_weights(samples: list[Sample], n_classes: int) -> NDArray[np.float64]:
    """Weigh classes by the root of their rarity, within [0.5, 2].

    Parameters
    ----------
    samples : list of Sample
    n_classes : int

    Returns
    -------
    (C,) ndarray of float64
    """
    nuclei = np.sum([_of_one_class(s, n_classes) for s in samples], axis=0)
    present = nuclei > 0
    weights = np.ones(n_classes)
    if present.any():
        weights[present] = np.sqrt(np.median(nuclei[present]) / nuclei[present])
    return weights.clip(0.5, 2)


def _of_one_class(sample: Sample, n_classes: int) -> NDArray[np.int64]:
    """Count the nuclei (C,) whose label allows a single class."""
    return (sample.allowed[:, None] == 1 << np.arange(n_classes)).sum(axis=0)


def sample_weights(
    samples: list[Sample], rarity: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Give every data set a share by the root of its nuclei, divided among its images.

    Half of the share goes by the area of the images, half by their nuclei.

    Parameters
    ----------
    samples : list of Sample
    rarity : (C,) ndarray of float64, or None
        How much a nucleus of each class counts; None: all of the share goes by area.

    Returns
    -------
    (len(samples),) ndarray of float
        Sums to one.
    """
    sources = np.array([sample.name.split("/")[0] for sample in samples])
    nuclei = np.array([len(s.allowed) for s in samples])
    areas = np.array([s.instances.size / s.scale**2 for s in samples])
    rare = np.zeros(len(samples))
    if rarity is not None:
        rare = np.array([_of_one_class(s, len(rarity)) @ rarity for s in samples])
    weights = np.zeros(len(samples))
    for source in np.unique(sources):
        chosen = sources == source
        share = areas[chosen] / areas[chosen].sum()
        if rare[chosen].any():
            share = (share + rare[chosen] / rare[chosen].sum()) / 2
        weights[chosen] = share * math.sqrt(max(1, nuclei[chosen].sum()))
    return weights / weights.sum()


def learning_rate(step: int, how: TrainSettings) -> float:
    """Warm up linearly, then fall to zero along a cosine.

    Parameters
    ----------
    step : int
    how : TrainSettings

    Returns
    -------
    float
    """
    if step < how.warmup_steps:
        return how.learning_rate * (step + 1) / how.warmup_steps
    done = (step - how.warmup_steps) / max(1, how.steps - how.warmup_steps)
    return how.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _averaged(decay: float, average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    if not average.is_floating_point():
        return current
    # A young average follows quickly, or the first random weights would stay in it for long.
    return torch.lerp(average, current, max(1 - decay, 1 / (1 + int(count) / 4)))


def _ahead(
    draw: Callable[[int], tuple[Batch, list[str]]], steps: range
) -> Iterator[tuple[Batch, list[str]]]:
    """Draw the next batch while the network learns from this one."""
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for step in steps:
            here, coming = coming, pool.submit(draw, step)
            if here is not None:
                yield here.result()
        if coming is not None:
            yield coming.result()


class _Trainee:
    """A network with all that its next step depends on."""

    def __init__(self, how: TrainSettings, device: torch.device, start: Network | None) -> None:
        torch.manual_seed(how.seed)
        self.how = how
        self.network = build_trainable(how.architecture, how.widths, len(how.classes))
        stride = self.network.stride
        if how.crop_px % stride:
            raise ConfigError(
                f"`crop_px` is {how.crop_px}; expected a multiple of {stride}, the stride of a"
                f" network of {len(how.widths)} `widths`"
            )
        encoder = self.network.encoder
        known = encoder.published_parameters() if how.pretrained else []
        if known and start is None:
            encoder.load_published()
        if start is not None:
            try:
                self.network.load_state_dict(start.state_dict())
            except RuntimeError:
                raise ConfigError(
                    "`start` is a network of another shape; expected a"
                    f" {how.architecture} of `widths` {how.widths} and {len(how.classes)} classes"
                ) from None
        if how.frozen_norm:
            if start is None:
                raise ConfigError("`frozen_norm` needs a `start` whose statistics can be kept")
            for part in self.network.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.eval()
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network, avg_fn=partial(_averaged, how.ema_decay), use_buffers=True
        )
        slower = set(known)
        fresh = [weight for weight in self.network.parameters() if weight not in slower]
        groups = [
            {"params": fresh, "share": 1.0},
            {"params": known, "share": how.pretrained_rate},
        ]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=how.weight_decay)
        self.step, self.best = 0, -math.inf
        self.best_weights: dict[str, Tensor] = {}
        self.curves: list[dict[str, float]] = []

    @property
    def judged(self) -> UNet:
        """The averaged network, whose answers count."""
        module = self.average.module
        if not isinstance(module, UNet):
            raise TypeError(f"expected a UNet, got {type(module)}")
        return module

    def learn(self, loss: Tensor) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = group["share"] * learning_rate(self.step, self.how)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.how.clip_norm)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1

    def keep_best(self, score: float) -> None:
        if score >= self.best:
            weights = self.judged.state_dict()
            self.best, self.best_weights = score, {k: v.clone() for k, v in weights.items()}

    def save(self, path: Path) -> None:
        state = {
            "settings": self.how.model_dump_json(),
            **{name: getattr(self, name) for name in _VALUES},
            **{name: getattr(self, name).state_dict() for name in _PARTS},
        }
        aside = path.with_suffix(".tmp")
        torch.save(state, aside)
        aside.replace(path)

    def resume(self, path: Path, device: torch.device) -> None:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        if state["settings"] != self.how.model_dump_json():
            raise ConfigError(f"{path}: belongs to other settings; remove it or train elsewhere")
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        for name in _VALUES:
            setattr(self, name, state[name])
        log.info("resuming at step %d", self.step)


_PARTS = ("network", "average", "optimiser")
_VALUES = ("step", "best", "best_weights", "curves")


def _drawn(
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
    teach: Callable[[Tensor, int], NetworkMaps] | None = None,
    start: Network | None = None,
    advance: Callable[..., None] = lambda _count, **_: None,
) -> UNet:
    """Train one member, or go on where a killed run stopped.

    Parameters
    ----------
    samples : list of Sample
        To learn from.
    how : TrainSettings
    folder : pathlib.Path
        Receives ``state.pt`` (to resume) and ``curves.csv``.
    device : torch.device
    validate : callable
        Scores a network; the states of training are judged by the sum of what it returns.
    teach : callable, optional
        Answers to the images of a batch and the number of the step, which are learnt as well.
    start : Network, optional
        Network to begin with.
    advance : callable
        Told the number of steps just done; ``earlier=True``: by the run that was killed.

    Returns
    -------
    UNet
        On `device`, with the averaged weights that were best on validation.

    Raises
    ------
    ConfigError
        If `folder` holds the state of other settings, or the loss is not a number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    samples = taught(samples, how)
    rarity = class_weights(samples, len(how.classes))
    weights = torch.from_numpy(rarity if how.class_weights else np.ones_like(rarity))
    weights = weights.float().to(device)
    chances = sample_weights(samples, rarity if how.oversampling else None)
    trainee = _Trainee(how, device, start)
    state_file = folder / "state.pt"
    if state_file.exists():
        trainee.resume(state_file, device)
        advance(trainee.step, earlier=True)
    precision = choose_precision(device, training=True)
    started, running = time.monotonic(), []
    steps = range(trainee.step, how.steps)
    for crops, names in _ahead(partial(_drawn, how, samples, chances), steps):
        batch = crops.on(device)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            raw = trainee.network(batch.image)
        raw = NetworkMaps(*(value.float() for value in raw))
        loss = total_loss(raw, batch, weights, how)
        if teach is not None:
            shown = crops.image if how.teacher_colour else crops.plain
            loss = (loss + teacher_loss(raw, teach(shown, trainee.step), how)) / 2
        if not torch.isfinite(loss):
            raise ConfigError(
                f"the loss at step {trainee.step} is {loss.item()}, on crops of"
                f" {', '.join(sorted(set(names)))}; look at these, or lower `learning_rate`"
            )
        trainee.learn(loss)
        running.append(loss.item())
        advance(1)
        if trainee.step % how.validate_every == 0 or trainee.step == how.steps:
            scores = validate(trainee.judged)
            trainee.keep_best(sum(scores.values()))
            row = {
                "step": trainee.step,
                "loss": float(np.mean(running)),
                **scores,
                "seconds_per_step": (time.monotonic() - started) / len(running),
            }
            started, running = time.monotonic(), []
            trainee.curves.append(row)
            log.info("%s", " ".join(f"{key} {value:.4g}" for key, value in row.items()))
            trainee.save(state_file)
            _write(folder / "curves.csv", trainee.curves)
    trainee.network.load_state_dict(trainee.best_weights)
    return trainee.network.eval()


def _write(path: Path, rows: list[dict[str, float]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
