"""What a trained member says of itself: its scores on validation images, and its card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from nucwsi.config import TrainSettings
from nucwsi.models.network import Network
from nucwsi.models.quantised import QuantisedMaps
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.training.confidence import class_accuracy, class_reliability
from nucwsi.training.sample import Sample
from nucwsi.training.validation import detection_by_dataset, outlines_by_dataset

#: What `about` of a checkpoint must have for a card: all that `nucwsi train` writes.
ABOUT = frozenset(
    ("licence", "date", "nucwsi", "images", "temperature", "validation", "reliability", "settings")
)


def validation_scores(
    samples: list[Sample],
    maps: list[QuantisedMaps],
    fixed: PostProcessing,
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
    settings : TrainSettings
        Classes and mpp of the network.

    Returns
    -------
    dict
        Name of the score, such as ``PQ consep``, -> score from 0 to 1, rounded to four digits.
    """
    outlines = outlines_by_dataset(samples, maps, fixed, settings.mpp)
    points = detection_by_dataset(samples, maps, fixed, settings.mpp)
    return {
        **{f"PQ {dataset}": round(score.pq, 4) for dataset, score in outlines.items()},
        **{f"AJI {dataset}": round(score.aji, 4) for dataset, score in outlines.items()},
        **{f"F1 of classes {dataset}": round(score, 4) for dataset, score in points.items()},
        "class accuracy": round(class_accuracy(samples, maps), 4),
    }


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


def card_text(network: Network, description: dict[str, Any], checksum: str) -> str:
    """Write the card that lies beside a checkpoint.

    Parameters
    ----------
    network : Network
        The member's network.
    description : dict
        What the checkpoint says of it, as `checkpoint.save_checkpoint` takes it. Its ``about`` has
        `ABOUT`, and may have ``tuning`` and ``counts``.
    checksum : str
        SHA-256 of the checkpoint.

    Returns
    -------
    str
        Markdown.
    """
    weights, about = network.state_dict(), description["about"]
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    parameters = sum(w.numel() for name, w in weights.items() if not name.endswith(statistics))
    widths = ", ".join(map(str, description["widths"]))
    lines = [
        f"# {description['name']}",
        "",
        f"Architecture {description['architecture']}, widths {widths}:"
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
        *_counts(description["classes"], about.get("counts", {"images": {}})),
        f"Post-processing: `{_json(description['post_processing'])}`"
        f"{_compared(about.get('tuning'))}.",
        "",
        f"Errors of counts: `{_json(description.get('miscount'))}`."
        f" Domain: `{_json(description.get('domain'))}`.",
        "",
        f"Settings: `{json.dumps(about['settings'])}`.",
        "",
    ]
    return "\n".join(lines)


def _counts(classes: Sequence[str], counts: dict[str, Any]) -> list[str]:
    """Lay out how often intervals held the true count on sources that their fit had not seen."""
    if not counts["images"]:
        return []
    rows = [
        [source, str(images), *(_share(counts["coverage"][source].get(name)) for name in classes)]
        for source, images in counts["images"].items()
    ]
    head = ["source, left out of the fit of intervals", "images", *classes]
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _compared(tuning: dict[str, Any] | None) -> str:
    if tuning is None:
        return ""
    return f", the best of {tuning['compared']} sets of constants on {tuning['images']} images"


def _json(value: Any) -> str:
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps(plain)
