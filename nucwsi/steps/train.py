"""`train`: make a checkpoint, with its card, of labelled images."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from nucwsi import __version__
from nucwsi.classes import read_unions
from nucwsi.config import TrainSettings
from nucwsi.errors import ConfigError
from nucwsi.io.outputs import check_outputs
from nucwsi.io.stores.publish import file_checksum, published, workspace
from nucwsi.models.architectures import build_trainable, check_trainable
from nucwsi.models.card import Card, read_card, read_cards
from nucwsi.models.checkpoint import save_checkpoint
from nucwsi.models.description import described
from nucwsi.models.loading import load_trainable
from nucwsi.models.network import Network, own_halo_px
from nucwsi.models.quantised import QuantisedMaps
from nucwsi.models.unet import UNet
from nucwsi.nuclei.constants import PostProcessing, in_pixels
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.runtime.progress import progress
from nucwsi.training.confidence import choose_temperature, class_accuracy
from nucwsi.training.labelled_nuclei import predict_images
from nucwsi.training.load_samples import load_samples
from nucwsi.training.loop import learning_seconds
from nucwsi.training.loop import train as learn
from nucwsi.training.member_card import card_text, reliability_table, validation_scores
from nucwsi.training.other_classes import meant, with_classes
from nucwsi.training.sample import Sample
from nucwsi.training.sampling import by_turns
from nucwsi.training.teachers import load_teachers
from nucwsi.training.trust import LOOKED_AT, measure_trust, see
from nucwsi.training.tuning import (
    N_CANDIDATES,
    TIME_SHARE,
    affordable,
    first_constants,
    search_constants,
)
from nucwsi.training.validation import outlines_by_dataset

log = logging.getLogger(__name__)


class _Images(NamedTuple):
    """The images that a network learns from, and those that are held back."""

    learnt: list[Sample]
    held_back: list[Sample]


def _scores(
    network: UNet, samples: list[Sample], settings: TrainSettings, device: torch.device
) -> dict[str, float]:
    """Score a network in training, with the constants that the search begins with."""
    maps = predict_images(network, samples, device)
    scores = outlines_by_dataset(samples, maps, first_constants(settings.classes), settings.mpp)
    return {
        "val_pq": float(np.mean([score.pq for score in scores.values()])) if scores else 0.0,
        "val_class": class_accuracy(samples, maps),
    }


def _labels_checksum(samples: list[Sample]) -> str:
    """Return a checksum of images and labels, which may change under the same names."""
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
        ``{name}.safetensors``; its card ``{name}.md`` and its curves ``{name}.curves.csv`` are
        written beside it.
    settings : TrainSettings
        How to train.
    name : str
        The member's name.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    threads : int
        Processor cores.

    Raises
    ------
    DataError
        If a split has no image, or labels are damaged.
    ConfigError
        If the settings fit no network, `start` or teachers, or the loss is not a number.
    CheckpointError
        If the name or the classes could not be read back, or `start` or a teacher cannot be used.
    StoreError
        If an output cannot be written.
    """
    networks = [Path(member) for member in (settings.start, *settings.teachers) if member]
    beside = [output.with_suffix(ending) for ending in (".md", ".curves.csv")]
    check_outputs([output, *beside], networks, within=data)
    torch.set_num_threads(threads)
    keep_freed_memory()
    where = choose_device(device)
    check_trainable(settings.architecture)
    _check_description(settings, name, output)
    teachers = read_cards(settings.teachers)
    teach = load_teachers(teachers, settings, where)
    start = read_card(settings.start) if settings.start else None
    samples, held_back = (
        load_samples(data, split, settings.classes, settings.mpp) for split in ("train", "val")
    )
    inputs = {
        "settings": settings.model_dump(mode="json"),
        "images": [sample.name for sample in (*samples, *held_back)],
        "labels": _labels_checksum(samples + held_back),
        "licences": "; ".join(sorted({sample.licence or "unknown" for sample in samples})),
        "start": start.checksum if start else None,
        "teachers": [card.checksum for card in teachers],
    }
    with workspace(output, inputs) as place:
        folder = place.folder / "training"
        with progress("train", settings.steps, "steps") as advance:
            network = learn(
                samples,
                settings,
                folder,
                where,
                lambda trained: _scores(trained, held_back, settings, where),
                teach,
                _begun_with(start, settings.classes) if start else None,
                advance,
            )
        curves = (folder / "curves.csv").read_bytes()
        seconds = learning_seconds(folder / "curves.csv")
        images = _Images(samples, held_back)
        _publish(network, images, output, settings, name, where, inputs, seconds)
        with published(output.with_suffix(".curves.csv")) as aside:
            aside.write_bytes(curves)


def _begun_with(start: Card, classes: tuple[str, ...]) -> Network:
    return with_classes(load_trainable(start), meant(start.classes, classes, "start"))


def _description(
    network: UNet, settings: TrainSettings, name: str, fixed: PostProcessing
) -> dict[str, Any]:
    """Lay out what a checkpoint says of its network, but for what is measured in the end."""
    try:
        unions = read_unions(settings.unions, settings.classes)
    except ValueError as error:
        raise ConfigError(f"`unions`: {error}") from None
    return {
        "name": name,
        "architecture": settings.architecture,
        "widths": list(settings.widths),
        "classes": list(settings.classes),
        **({"unions": unions} if unions else {}),
        "mpp": settings.mpp,
        "halo_px": own_halo_px(network),
        "post_processing": asdict(fixed),
    }


def _check_description(settings: TrainSettings, name: str, output: Path) -> None:
    """Refuse settings whose checkpoint could not be read, before hours of training."""
    with torch.device("meta"):
        network = build_trainable(settings.architecture, settings.widths, len(settings.classes))
    fixed = first_constants(settings.classes)
    described({**_description(network, settings, name, fixed), "about": {}}, str(output))


def _tuned(
    samples: list[Sample], maps: list[QuantisedMaps], settings: TrainSettings, seconds: float
) -> tuple[PostProcessing, dict[str, Any]]:
    """Search the constants for at most a tenth of the training's time; also say how far it got."""
    learnt_px = settings.steps * settings.batch_size * settings.crop_px**2
    chosen = affordable(samples, maps, learnt_px)
    limit_s, started = TIME_SHARE * seconds, time.monotonic()
    log.info(
        "searching the constants of post-processing on %d of %d images, %.0f s at most",
        *(len(chosen), len(samples), limit_s),
    )
    with progress("tune", N_CANDIDATES, "sets of constants") as advance:
        found = search_constants(
            [samples[place] for place in chosen],
            [maps[place] for place in chosen],
            settings.classes,
            settings.mpp,
            advance,
            lambda: time.monotonic() - started > limit_s,
        )
    if found.stopped:
        log.warning(
            "the search ended after %d of %d sets of constants, because a tenth of the training's"
            " time was over; on another machine it may choose others",
            *(found.n_compared, N_CANDIDATES),
        )
    said = {"images": len(chosen), "compared": found.n_compared, "stopped": found.stopped}
    return found.constants, said


def _publish(
    network: UNet,
    images: _Images,
    output: Path,
    settings: TrainSettings,
    name: str,
    device: torch.device,
    inputs: dict[str, Any],
    seconds: float,
) -> None:
    """Calibrate and tune on validation images, and write the checkpoint with its card."""
    held_back = images.held_back
    places = by_turns([sample.dataset for sample in images.learnt])[:LOOKED_AT]
    learnt = [images.learnt[place] for place in places]
    with progress("predict", 2 * len(held_back) + len(learnt), "images") as advance:
        warm = predict_images(network, held_back, device, advance)
        temperature = choose_temperature(held_back, warm)
        network.cool(temperature)
        maps = predict_images(network, held_back, device, advance)
        learnt_maps = predict_images(network, learnt, device, advance)
    classes, mpp = settings.classes, settings.mpp
    fixed, tuning = _tuned(held_back, maps, settings, seconds)
    fixed_px = in_pixels(fixed, classes, mpp)
    seen, inside = (
        [see(sample, own, fixed_px) for sample, own in zip(samples, their_maps, strict=True)]
        for samples, their_maps in ((held_back, maps), (learnt, learnt_maps))
    )
    trust = measure_trust(seen, [*inside, *seen], classes, mpp)
    about = {
        "licence": f"as the training images allow: {inputs['licences']}",
        "date": datetime.now(UTC).date().isoformat(),
        "nucwsi": __version__,
        "temperature": temperature,
        "tuning": tuning,
        "validation": validation_scores(held_back, maps, fixed, settings),
        "reliability": reliability_table(held_back, maps),
        "settings": inputs["settings"],
        "images": sorted({image.split("/")[0] for image in inputs["images"]}),
        "counts": trust.about,
    }
    weights = {key: value.cpu() for key, value in network.state_dict().items()}
    description = {
        **_description(network, settings, name, fixed),
        "miscount": trust.miscount,
        "domain": trust.domain,
        "about": about,
    }
    with published(output) as aside:
        save_checkpoint(aside, weights, description)
    with published(output.with_suffix(".md")) as aside:
        aside.write_text(card_text(network, description, file_checksum(output)), "utf-8")
    log.info("%s: %s", name, about["validation"])
