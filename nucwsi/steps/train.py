"""`train`: from labelled images to a checkpoint with its card."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nucwsi import __version__
from nucwsi.config import TrainSettings
from nucwsi.io.stores.publish import file_checksum, published, workspace
from nucwsi.models.architectures import check_trainable
from nucwsi.models.card import read_card, read_cards
from nucwsi.models.checkpoint import save_checkpoint
from nucwsi.models.ensemble import QuantisedMaps
from nucwsi.models.loading import load_trainable
from nucwsi.models.network import own_halo_px
from nucwsi.models.unet import UNet
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.window import in_pixels
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.runtime.progress import progress
from nucwsi.training.count_truth import counted
from nucwsi.training.data import Sample
from nucwsi.training.labelled_nuclei import found, maps_of
from nucwsi.training.load_samples import load_samples
from nucwsi.training.loop import train as learn
from nucwsi.training.teachers import teaching
from nucwsi.training.tuning import (
    class_accuracy,
    detection_by_source,
    first_constants,
    outlines_by_source,
    said_and_true,
    temperature,
    tuned,
)

log = logging.getLogger(__name__)


def _scores(
    network: UNet, samples: list[Sample], settings: TrainSettings, device: torch.device
) -> dict[str, float]:
    """Score a network in training, with constants that are not tuned yet."""
    maps = maps_of(network, samples, device)
    scores = outlines_by_source(samples, maps, first_constants(settings.classes), settings.mpp)
    return {
        "val_pq": float(np.mean([score.pq for score in scores.values()])) if scores else 0.0,
        "val_class": class_accuracy(samples, maps),
    }


def _labels_checksum(samples: list[Sample]) -> str:
    """Condense images and what is known of them, which may change under the same names."""
    digest = hashlib.sha256()
    for sample in samples:
        for values in (sample.image, sample.owner, sample.class_set, sample.centroids):
            digest.update(values.tobytes())
    return digest.hexdigest()


def train(
    data: list[Path],
    output: Path,
    settings: TrainSettings,
    *,
    name: str,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Train one member of an ensemble; a killed run goes on at its last validation.

    Parameters
    ----------
    data : list of pathlib.Path
        Folders of labelled images, or their ``manifest.csv``.
    output : pathlib.Path
        ``{name}.safetensors``; its card ``{name}.md`` and its ``{name}.curves.csv`` lie beside it.
    settings : TrainSettings
    name : str
        The member's name.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    threads : int
        Processor cores.

    Raises
    ------
    DataError
        If labelled images cannot be used.
    ConfigError
        If the settings fit no network, or the loss is not a number.
    StoreError
        If an output cannot be written.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    where = choose_device(device)
    check_trainable(settings.architecture)
    teachers = read_cards(settings.teachers)
    teach = teaching(teachers, settings, where)
    start = read_card(settings.start) if settings.start else None
    samples, held_back = (
        load_samples(data, split, settings.classes, settings.mpp) for split in ("train", "val")
    )
    facts = {
        "settings": settings.model_dump(mode="json"),
        "images": [sample.name for sample in (*samples, *held_back)],
        "labels": _labels_checksum(samples + held_back),
        "licences": "; ".join(sorted({sample.licence or "unknown" for sample in samples})),
        "start": start.checksum if start else None,
        "teachers": [card.checksum for card in teachers],
    }
    with (
        workspace(output, facts) as place,
        progress("train", settings.steps, "steps") as advance,
    ):
        network = learn(
            samples,
            settings,
            place.folder / "training",
            where,
            lambda trained: _scores(trained, held_back, settings, where),
            teach,
            load_trainable(start) if start else None,
            advance,
        )
        curves = (place.folder / "training" / "curves.csv").read_bytes()
        _publish(network, held_back, output, settings, name, where, facts)
        with published(output.with_suffix(".curves.csv")) as aside:
            aside.write_bytes(curves)


def _publish(
    network: UNet,
    held_back: list[Sample],
    output: Path,
    settings: TrainSettings,
    name: str,
    device: torch.device,
    facts: dict[str, Any],
) -> None:
    """Calibrate and tune on validation images, and write the checkpoint with its card."""
    divisor = temperature(held_back, maps_of(network, held_back, device))
    network.cool(divisor)
    maps = maps_of(network, held_back, device)
    fixed = tuned(held_back, maps, settings.classes, settings.mpp)
    outlines = outlines_by_source(held_back, maps, fixed, settings.mpp)
    points = detection_by_source(held_back, maps, fixed, settings.mpp)
    chosen = in_pixels(fixed, settings.classes, settings.mpp)
    nuclei = [found(seen, chosen, s) for seen, s in zip(maps, held_back, strict=True)]
    counts = counted(held_back, nuclei, len(settings.classes))
    about = {
        "licence": f"as the training images allow: {facts['licences']}",
        "date": datetime.now(UTC).date().isoformat(),
        "nucwsi": __version__,
        "temperature": divisor,
        "validation": {
            **{f"PQ {source}": round(score.pq, 4) for source, score in outlines.items()},
            **{f"AJI {source}": round(score.aji, 4) for source, score in outlines.items()},
            **{f"F1 of classes {source}": round(score, 4) for source, score in points.items()},
            "class accuracy": round(class_accuracy(held_back, maps), 4),
            **_by_class("coverage", settings, counts.coverage(counts.error_of_others())),
        },
        "reliability": _reliability(held_back, maps),
        "settings": facts["settings"],
        "images": sorted({image.split("/")[0] for image in facts["images"]}),
    }
    weights = {key: value.cpu() for key, value in network.state_dict().items()}
    save_checkpoint(
        output,
        weights,
        {
            "name": name,
            "architecture": settings.architecture,
            "widths": list(settings.widths),
            "classes": list(settings.classes),
            "mpp": settings.mpp,
            "halo_px": own_halo_px(network),
            "post_processing": fixed,
            "count_error": _by_class("", settings, counts.error()),
            "about": about,
        },
    )
    with published(output.with_suffix(".md")) as aside:
        aside.write_text(
            _card(name, network, settings, fixed, about, file_checksum(output)), "utf-8"
        )
    log.info("%s: %s", name, about["validation"])


def _reliability(held_back: list[Sample], maps: list[QuantisedMaps]) -> dict[str, Any]:
    """Say how sure the network is of the classes of nuclei, and how often it is right."""
    compared = said_and_true(held_back, maps)
    bins = zip(*(values.tolist() for values in compared), strict=True)
    return {
        "error": round(compared.error, 4) if compared.n_nuclei.any() else None,
        "bins": [[n, round(said, 3), round(true, 3)] for n, said, true in bins if n],
    }


def _by_class(what: str, settings: TrainSettings, values: NDArray[np.float64]) -> dict[str, float]:
    """Name the values (C,) that are known by their classes."""
    named = zip(settings.classes, values.tolist(), strict=True)
    return {f"{what} {name}".strip(): round(value, 4) for name, value in named if value == value}


def _card(
    name: str,
    network: UNet,
    settings: TrainSettings,
    fixed: PostProcessing,
    about: dict[str, Any],
    checksum: str,
) -> str:
    parameters = sum(p.numel() for p in network.parameters())
    lines = [
        f"# {name}",
        "",
        f"Architecture {settings.architecture}, widths {', '.join(map(str, settings.widths))}:"
        f" {parameters / 1e6:.2f} million parameters, receptive radius"
        f" {network.receptive_radius_px} px. Checksum `{checksum}`.",
        "",
        f"Licence: {about['licence']}. Trained {about['date']} with nucwsi {about['nucwsi']} on"
        f" {', '.join(about['images'])}.",
        "",
        "| on validation images | |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in about["validation"].items()),
        "",
        f"Temperature {about['temperature']:.3g}; expected calibration error of the classes"
        f" {about['reliability']['error']}:",
        "",
        "| nuclei | sure of their class, mean | right |",
        "|---|---|---|",
        *(f"| {n} | {said:.1%} | {true:.1%} |" for n, said, true in about["reliability"]["bins"]),
        "",
        f"Post-processing: `{json.dumps(asdict(fixed))}`.",
        "",
        f"Settings: `{json.dumps(about['settings'])}`.",
        "",
    ]
    return "\n".join(lines)
