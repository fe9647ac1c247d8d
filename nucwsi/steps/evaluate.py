"""`evaluate`: score an ensemble on labelled images."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.segmentation import find_boundaries

from nucwsi.classes import colours
from nucwsi.composition.intervals import CountError
from nucwsi.config import EvaluateSettings
from nucwsi.errors import StoreError
from nucwsi.io.csv_table import harmless, original
from nucwsi.io.outputs import check_outputs
from nucwsi.io.stores.publish import is_taken, published
from nucwsi.models.card import canvas_card, mean_count_error, mean_miscount, read_cards
from nucwsi.models.ensemble import Ensemble
from nucwsi.nuclei.constants import in_pixels
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.runtime.progress import progress
from nucwsi.training.labelled_nuclei import find_nuclei, predict_image
from nucwsi.training.load_samples import load_samples
from nucwsi.training.scores import ImageScores, image_row, score_image
from nucwsi.training.union_scores import compared

log = logging.getLogger(__name__)

#: What lies around an outline is this much darker, so that it is seen on pale nuclei, too.
_CASING = 0.45

#: Red, green and blue of true outlines, which no class has.
_TRUTH_COLOUR = (0, 255, 0)


def _picture(one: ImageScores, classes: tuple[str, ...]) -> Image.Image:
    """Draw the true outlines in green and, beside them, the outlines found in class colours."""
    palette = np.array([(0, 0, 0), *colours(classes).values()], np.uint8)
    truth, answer = one.sample.image.copy(), one.sample.image.copy()
    outlined = one.sample.instances if one.sample.outlined else one.sample.owner
    _darken(truth, find_boundaries(outlined, mode="thick"))
    truth[find_boundaries(outlined, mode="inner")] = _TRUTH_COLOUR
    _darken(answer, find_boundaries(one.nuclei.labels, mode="thick"))
    border = find_boundaries(one.nuclei.labels, mode="inner")
    code = np.concatenate([[0], one.nuclei.class_code.astype(int) + 1])
    answer[border] = palette[code[one.nuclei.labels[border]]]
    return Image.fromarray(np.hstack([truth, answer]))


def _darken(image: NDArray[np.uint8], where: NDArray[np.bool_]) -> None:
    image[where] = np.multiply(image[where], _CASING).astype(np.uint8)


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
    error = CountError.of(classes, mean_count_error(cards), mean_miscount(cards))
    datasets: dict[str, list[ImageScores]] = {}
    for one in scored:
        datasets.setdefault(one.sample.dataset, []).append(one)
    told = {
        dataset: compared(images, classes, lead.unions, error, mpp)
        for dataset, images in datasets.items()
    }
    summary = [
        {"dataset": dataset, "images": len(one.images), **one.row} for dataset, one in told.items()
    ]
    left = {dataset: iter(one.images) for dataset, one in told.items()}
    names = [one.sample.dataset for one in scored]
    with published(output) as aside:
        (aside / "pictures").mkdir(parents=True)
        (aside / "images.csv").write_text(
            _table([image_row(next(left[name]), told[name].classes) for name in names]), "utf-8"
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
