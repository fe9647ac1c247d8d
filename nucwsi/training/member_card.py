"""What a trained member says of itself: its scores on validation images, and its card."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.config import TrainSettings
from nucwsi.models.ensemble import QuantisedMaps
from nucwsi.models.unet import UNet
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.training.confidence import class_accuracy, class_reliability
from nucwsi.training.count_truth import ImageCounts
from nucwsi.training.sample import Sample
from nucwsi.training.validation import detection_by_dataset, outlines_by_dataset


def validation_scores(
    samples: list[Sample],
    maps: list[QuantisedMaps],
    fixed: PostProcessing,
    counts: ImageCounts,
    settings: TrainSettings,
) -> dict[str, float]:
    """Score a member on the validation images, on which its constants were chosen.

    Parameters
    ----------
    samples : list of Sample
        Validation images.
    maps : list of QuantisedMaps
        Maps of each sample at the network's mpp.
    fixed : PostProcessing
        The constants that were chosen, in µm.
    counts : ImageCounts
        True and estimated counts of the samples.
    settings : TrainSettings
        Classes and mpp of the network.

    Returns
    -------
    dict
        Name of the score, such as ``PQ consep``, -> score from 0 to 1, rounded to four digits.
    """
    outlines = outlines_by_dataset(samples, maps, fixed, settings.mpp)
    points = detection_by_dataset(samples, maps, fixed, settings.mpp)
    coverage = counts.coverage(counts.error_of_others())
    return {
        **{f"PQ {dataset}": round(score.pq, 4) for dataset, score in outlines.items()},
        **{f"AJI {dataset}": round(score.aji, 4) for dataset, score in outlines.items()},
        **{f"F1 of classes {dataset}": round(score, 4) for dataset, score in points.items()},
        "class accuracy": round(class_accuracy(samples, maps), 4),
        **{
            f"coverage {name}": share
            for name, share in by_class(settings.classes, coverage).items()
        },
    }


def by_class(classes: tuple[str, ...], values: NDArray[np.float64]) -> dict[str, float]:
    """Name values by their class.

    Parameters
    ----------
    classes : tuple of str
        Names of the C classes.
    values : (C,) ndarray of float64
        NaN where a value is not known.

    Returns
    -------
    dict
        Class -> its value, rounded to four digits; only those that are known.
    """
    named = zip(classes, values.tolist(), strict=True)
    return {name: round(value, 4) for name, value in named if np.isfinite(value)}


def reliability_table(samples: list[Sample], maps: list[QuantisedMaps]) -> dict[str, Any]:
    """Lay out how confident a member is of the classes of nuclei, and how often it is right.

    Parameters
    ----------
    samples : list of Sample
        Validation images.
    maps : list of QuantisedMaps
        Maps of each sample at the network's mpp.

    Returns
    -------
    dict
        ``error`` -> expected calibration error, or None without nuclei of a known class; ``bins``
        -> number of nuclei, mean confidence and accuracy of each bin that is not empty.
    """
    diagram = class_reliability(samples, maps)
    bins = zip(*(values.tolist() for values in diagram), strict=True)
    return {
        "error": round(diagram.error, 4) if diagram.n_nuclei.any() else None,
        "bins": [[n, round(confidence, 3), round(right, 3)] for n, confidence, right in bins if n],
    }


def card_text(
    name: str,
    network: UNet,
    settings: TrainSettings,
    fixed: PostProcessing,
    about: dict[str, Any],
    checksum: str,
) -> str:
    """Write the card that lies beside a checkpoint.

    Parameters
    ----------
    name : str
        The member's name.
    network : UNet
        Its network.
    settings : TrainSettings
        How it was trained.
    fixed : PostProcessing
        Its constants of post-processing, in µm.
    about : dict
        What the checkpoint says of itself: ``licence``, ``date``, ``nucwsi``, ``images``,
        ``temperature``, ``validation``, ``reliability`` and ``settings``.
    checksum : str
        SHA-256 of the checkpoint.

    Returns
    -------
    str
        Markdown.
    """
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
        "| nuclei | mean confidence | accuracy |",
        "|---|---|---|",
        *(f"| {n} | {said:.1%} | {right:.1%} |" for n, said, right in about["reliability"]["bins"]),
        "",
        f"Post-processing: `{json.dumps(asdict(fixed))}`.",
        "",
        f"Settings: `{json.dumps(about['settings'])}`.",
        "",
    ]
    return "\n".join(lines)
