"""The training loop: resumable at its last checkpoint, reproducible from its seed."""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nucwsi.errors import ConfigError
from nucwsi.models.predict import choose_precision
from nucwsi.models.training.augment import Augmentation, Batch, draw_batch, sampled
from nucwsi.models.training.data import Sample
from nucwsi.models.training.losses import total_loss
from nucwsi.models.unet import Maps, UNet

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides the weights, besides the images.

    Attributes
    ----------
    widths : tuple of int
        Channels of each level of the U-Net.
    steps, warmup_steps : int
        Optimiser steps in all, and those with rising learning rate.
    batch_size, crop_px : int
        Crops a step, and the side of each.
    learning_rate, weight_decay, clip_norm, ema_decay : float
        AdamW's, and the gradient's largest norm, and the memory of the averaged weights.
    seed : int
        Of the weights and of the crops.
    augmentation : Augmentation
    """

    widths: tuple[int, ...] = (16, 32, 64, 128, 256)
    steps: int = 4000
    warmup_steps: int = 200
    batch_size: int = 8
    crop_px: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    clip_norm: float = 2.0
    ema_decay: float = 0.998
    seed: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)


def class_weights(samples: list[Sample], n_classes: int) -> Tensor:
    """Weigh classes by the root of their rarity, within [0.5, 4].

    Parameters
    ----------
    samples : list of Sample
    n_classes : int

    Returns
    -------
    (C,) Tensor of float32
    """
    pixels = np.array(
        [sum((s.class_set == 1 << c).sum() / s.scale**2 for s in samples) for c in range(n_classes)]
    )
    present = pixels > 0
    weights = np.ones(n_classes)
    weights[present] = np.sqrt(np.median(pixels[present]) / pixels[present])
    return torch.from_numpy(weights.clip(0.5, 4)).float()


def sample_weights(samples: list[Sample]) -> NDArray[np.float64]:
    """Give every data set a share by the root of its labelled pixels, divided among its images.

    Parameters
    ----------
    samples : list of Sample

    Returns
    -------
    (len(samples),) ndarray of float
        Sums to one.
    """
    sources = np.array([sample.name.split("/")[0] for sample in samples])
    area = np.array([s.instances.size / s.scale**2 for s in samples])
    labelled = np.array(
        [((s.instances > 0) | (s.class_set > 0)).sum() / s.scale**2 for s in samples]
    )
    weights = np.zeros(len(samples))
    for source in np.unique(sources):
        chosen = sources == source
        weights[chosen] = area[chosen] / area[chosen].sum() * math.sqrt(labelled[chosen].sum())
    return weights / weights.sum()


def learning_rate(step: int, plan: TrainingPlan) -> float:
    """Warm up linearly, then fall to zero along a cosine.

    Parameters
    ----------
    step : int
    plan : TrainingPlan

    Returns
    -------
    float
    """
    if step < plan.warmup_steps:
        return plan.learning_rate * (step + 1) / plan.warmup_steps
    done = (step - plan.warmup_steps) / max(1, plan.steps - plan.warmup_steps)
    return plan.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _averaged(decay: float, average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    if not average.is_floating_point():
        return current
    # A young average follows quickly, or the first random weights would stay in it for long.
    return torch.lerp(average, current, max(1 - decay, 1 / (1 + int(count) / 4)))


def _drawn(
    plan: TrainingPlan, samples: list[Sample], chances: NDArray[np.float64], step: int
) -> Batch:
    # A generator of its own for each step: a resumed run draws the same crops.
    rng = np.random.default_rng((plan.seed, step))
    return draw_batch(samples, chances, plan.batch_size, plan.crop_px, plan.augmentation, rng)


def ahead(draw: Callable[[int], Batch], steps: range) -> Iterator[Batch]:
    """Draw the next batch while the network learns from this one.

    Parameters
    ----------
    draw : callable
        Of a step.
    steps : range

    Yields
    ------
    Batch
        One for each step.
    """
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for step in steps:
            here, coming = coming, pool.submit(draw, step)
            if here is not None:
                yield here.result()
        if coming is not None:
            yield coming.result()


def _on(batch: Batch, device: torch.device) -> Batch:
    moved = Batch(*(getattr(batch, field.name).to(device) for field in fields(batch)))
    return replace(moved, image=moved.image.contiguous(memory_format=torch.channels_last))


def whole(sample: Sample, stride: int) -> Batch:
    """Look at a whole sample as the pipeline would, without augmentation.

    Parameters
    ----------
    sample : Sample
    stride : int
        Sides are cut to multiples of this.

    Returns
    -------
    Batch
        Of one.
    """
    sizes = [int(side / sample.scale) // stride * stride for side in sample.instances.shape]
    rows, columns = (np.arange(size + 1, dtype=np.float64) * sample.scale for size in sizes)
    image, labels = sampled(sample, rows, columns)
    known = (torch.from_numpy(np.ascontiguousarray(values))[None] for values in labels)
    return Batch(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], *known)


@torch.inference_mode()
def _validate(
    network: nn.Module, batches: list[Batch], weights: Tensor, precision: torch.dtype
) -> dict[str, float]:
    network.eval()
    losses, hits, sizes, right, typed = [], 0.0, 0.0, 0.0, 0.0
    device = weights.device
    for batch in (_on(batch, device) for batch in batches):
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            raw: Maps = network(batch.image)
        raw = Maps(*(value.float() for value in raw))
        losses.append(float(total_loss(raw, batch, weights)))
        predicted = (raw.np_map[:, 0] > 0) & batch.outlined
        hits += float((predicted & batch.inside).sum())
        sizes += float(predicted.sum() + (batch.inside & batch.outlined).sum())
        known = batch.class_set > 0
        allowed = batch.class_set.long() >> raw.tp_map.argmax(dim=1) & 1
        right += float((allowed > 0)[known].sum())
        typed += float(known.sum())
    network.train()
    return {
        "val_loss": float(np.mean(losses)),
        "val_dice": 2 * hits / max(sizes, 1.0),
        "val_class": right / max(typed, 1.0),
    }


def train(
    train_samples: list[Sample],
    val_samples: list[Sample],
    classes: tuple[str, ...],
    plan: TrainingPlan,
    folder: Path,
    device: torch.device,
    save_every: int = 100,
) -> UNet:
    """Train one member, or go on where a killed run stopped.

    Parameters
    ----------
    train_samples, val_samples : list of Sample
    classes : tuple of str
    plan : TrainingPlan
    folder : Path
        Receives ``state.pt`` (to resume) and ``curves.csv``.
    device : torch.device
    save_every : int
        Steps between checkpoints and validations.

    Returns
    -------
    UNet
        With the averaged weights.

    Raises
    ------
    ConfigError
        If `folder` holds the state of another plan, or the loss is not a number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    network = UNet(plan.widths, len(classes)).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub lacks it
    average = torch.optim.swa_utils.AveragedModel(
        network, avg_fn=partial(_averaged, plan.ema_decay), use_buffers=True
    )
    optimiser = torch.optim.AdamW(
        network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay
    )
    weights = class_weights(train_samples, len(classes)).to(device)
    checks = [whole(sample, network.stride) for sample in val_samples]
    precision = choose_precision(device, training=True)
    state_file, first = folder / "state.pt", 0
    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        if state["plan"] != repr(plan):
            raise ConfigError(f"{state_file} belongs to another plan; remove it or train elsewhere")
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
        log.info("resuming at step %d", first)
    started, running = time.monotonic(), []
    drawn = partial(_drawn, plan, train_samples, sample_weights(train_samples))
    steps = range(first, plan.steps)
    for step, crops in zip(steps, ahead(drawn, steps), strict=True):
        batch = _on(crops, device)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, plan)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            raw = network(batch.image)
        loss = total_loss(Maps(*(value.float() for value in raw)), batch, weights)
        if not torch.isfinite(loss):
            raise ConfigError(f"the loss at step {step} is {float(loss)}; lower `learning_rate`")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), plan.clip_norm)
        optimiser.step()
        average.update_parameters(network)
        running.append(loss.item())
        if (step + 1) % save_every == 0 or step + 1 == plan.steps:
            scores = _validate(average, checks, weights, precision)
            row = {
                "step": step + 1,
                "loss": float(np.mean(running)),
                **scores,
                "seconds_per_step": (time.monotonic() - started) / len(running),
            }
            started, running = time.monotonic(), []
            _append(folder / "curves.csv", row)
            log.info("%s", " ".join(f"{key} {value:.4g}" for key, value in row.items()))
            state = {
                "plan": repr(plan),
                "step": step + 1,
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "settings": str(asdict(plan)),
            }
            aside = state_file.with_suffix(".tmp")
            torch.save(state, aside)
            aside.replace(state_file)
    network.load_state_dict(average.module.state_dict())
    return network.eval()


def _append(path: Path, row: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, row)
        if new:
            writer.writeheader()
        writer.writerow(row)
