"""`evaluate`: score an ensemble on labelled images."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage.segmentation import find_boundaries

from nucwsi.classes import colours
from nucwsi.config import EvaluateSettings
from nucwsi.errors import StoreError
from nucwsi.io.csv_table import harmless, original
from nucwsi.io.outputs import check_outputs
from nucwsi.io.stores.publish import is_taken, published
from nucwsi.models.card import canvas_card, mean_count_error, read_cards
from nucwsi.models.ensemble import Ensemble
from nucwsi.nuclei.constants import in_pixels
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.runtime.progress import progress
from nucwsi.training.labelled_nuclei import find_nuclei, predict_image
from nucwsi.training.load_samples import load_samples
from nucwsi.training.scores import ImageScores, dataset_row, image_row, score_image

log = logging.getLogger(__name__)

#: Red, green and blue of true outlines, which no class has.
_TRUTH_COLOUR = (0, 255, 0)


def _picture(one: ImageScores, classes: tuple[str, ...]) -> Image.Image:
    """Draw the true outlines in green and, beside them, the outlines found in class colours."""
    palette = np.array([(0, 0, 0), *colours(classes).values()], np.uint8)
    truth, answer = one.sample.image.copy(), one.sample.image.copy()
    outlined = one.sample.instances if one.sample.outlined else one.sample.owner
    truth[find_boundaries(outlined, mode="inner")] = _TRUTH_COLOUR
    border = find_boundaries(one.nuclei.labels, mode="inner")
    code = np.concatenate([[0], one.nuclei.class_code.astype(int) + 1])
    answer[border] = palette[code[one.nuclei.labels[border]]]
    return Image.fromarray(np.hstack([truth, answer]))


def _table(rows: list[dict[str, Any]]) -> str:
    """Lay out rows as CSV; a row leaves the cells of columns that it lacks empty."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {
            name: harmless(value) if isinstance(value, str) else _cell(value)
            for name, value in row.items()
        }
        for row in rows
    )
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if np.isfinite(value) else "n/a"
    return str(value)


def _markdown(rows: list[dict[str, Any]]) -> str:
    lines = [list(map(original, line)) for line in csv.reader(io.StringIO(_table(rows)))]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def evaluate(
    data: list[Path],
    output: Path,
    settings: EvaluateSettings,
    *,
    members: tuple[str, ...],
    threads: int = 1,
) -> None:
    """Score an ensemble on labelled images.

    Parameters
    ----------
    data : list of pathlib.Path
        Folders of labelled images, or their ``manifest.csv``.
    output : pathlib.Path
        Folder to make: ``images.csv`` (one row per image), ``summary.csv`` and ``summary.md`` (one
        row per data set), and ``pictures/`` with true outlines beside those found.
    settings : EvaluateSettings
        Split, views and device.
    members : tuple of str
        Names or files of the ensemble's checkpoints.
    threads : int
        Processor cores for the network.

    Raises
    ------
    DataError
        If the split has no image, or labels are damaged.
    CheckpointError
        If a member cannot be used.
    StoreError
        If `output` exists already, or cannot be written.
    """
    check_outputs([output], [], within=data, folder=True)
    if is_taken(output):
        raise StoreError(f"{output}: exists already; remove it or name another folder")
    cards = read_cards(members)
    lead = canvas_card(cards)
    classes, mpp = lead.classes, lead.mpp
    samples = load_samples(data, settings.split, classes, mpp)
    torch.set_num_threads(threads)
    keep_freed_memory()
    ensemble = Ensemble.load(cards, choose_device(settings.device), settings.views)
    fixed = in_pixels(lead.post_processing, classes, mpp)
    scored: list[ImageScores] = []
    with progress("evaluate", len(samples), "images") as advance:
        for sample in samples:
            nuclei = find_nuclei(predict_image(ensemble, sample), fixed, sample)
            scored.append(score_image(sample, nuclei, len(classes), mpp))
            advance(1)
    errors = mean_count_error(cards)
    count_error = np.array([errors.get(name, 0.0) for name in classes])
    datasets: dict[str, list[ImageScores]] = {}
    for one in scored:
        datasets.setdefault(one.sample.dataset, []).append(one)
    summary = [
        {"dataset": dataset, "images": len(images), **dataset_row(images, classes, count_error)}
        for dataset, images in datasets.items()
    ]
    with published(output) as aside:
        (aside / "pictures").mkdir(parents=True)
        (aside / "images.csv").write_text(
            _table([image_row(one, classes) for one in scored]), "utf-8"
        )
        (aside / "summary.csv").write_text(_table(summary), "utf-8")
        (aside / "summary.md").write_text(_markdown(summary), "utf-8")
        for dataset, images in datasets.items():
            for rank, one in _ranked(images).items():
                _picture(one, classes).save(aside / "pictures" / f"{dataset}.{rank}.png")
    for row in summary:
        log.info("%s", ", ".join(f"{name} {_cell(value)}" for name, value in row.items()))


def _ranked(images: list[ImageScores]) -> dict[str, ImageScores]:
    """Return the worst, the median and the best image, by PQ or, without outlines, by F1."""
    measure = "pq" if any(one.sample.outlined for one in images) else "f1_most_pairs"
    scores = [one.values.get(measure, np.nan) for one in images]
    # NaN is sorted last; an image without a score has no rank where another has one.
    order = np.argsort(scores, kind="stable")[: max(1, np.isfinite(scores).sum())]
    places = {"worst": 0, "median": len(order) // 2, "best": -1}
    return {rank: images[order[place]] for rank, place in places.items()}
