"""`evaluate`: how well an ensemble does on labelled images."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.segmentation import find_boundaries

from nucwsi import metrics
from nucwsi.classes import colours
from nucwsi.config import EvaluateSettings
from nucwsi.errors import StoreError
from nucwsi.io.stores.publish import published
from nucwsi.models.card import mean_count_error, read_cards
from nucwsi.models.ensemble import Ensemble
from nucwsi.nuclei.window import in_pixels
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.runtime.progress import progress
from nucwsi.training.count_truth import class_codes, counted, fully_classed
from nucwsi.training.data import Sample
from nucwsi.training.labelled_nuclei import MATCH_UM, Found, found, predicted
from nucwsi.training.load_samples import load_samples

log = logging.getLogger(__name__)

_TRUTH_COLOUR = (0, 255, 0)


@dataclass(frozen=True)
class _Scored:
    """One image, its nuclei, and their scores; C classes."""

    sample: Sample
    nuclei: Found
    values: dict[str, float]
    agreement: metrics.ClassCounts
    detected: list[metrics.Score]
    by_class: list[metrics.Score]
    truth_counts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def source(self) -> str:
        return self.sample.name.split("/")[0]


def _scored(sample: Sample, nuclei: Found, n_classes: int, mpp: float) -> _Scored:
    truth = class_codes(sample.allowed)
    radius_px = MATCH_UM / mpp * sample.scale
    pairs = metrics.match_centroids(sample.centroids, nuclei.centroids, radius_px)
    detected = metrics.Score(
        len(pairs), len(nuclei.centroids) - len(pairs), len(sample.centroids) - len(pairs)
    )
    values = {"n_truth": float(len(truth)), "n_found": float(len(nuclei.centroids))}
    by_class: list[metrics.Score] = []
    if sample.outlined:
        panoptic = metrics.panoptic(sample.instances, nuclei.labels)
        values |= {
            "pq": panoptic.pq,
            "dq": panoptic.dq,
            "sq": panoptic.sq,
            "aji": metrics.aji(sample.instances, nuclei.labels),
            "dice": metrics.dice(sample.instances, nuclei.labels),
        }
        # A later outline may hide an earlier nucleus altogether.
        seen = np.unique(nuclei.labels[nuclei.labels > 0]) - 1
        by_class = metrics.class_panoptic(
            sample.instances, truth, nuclei.labels, nuclei.class_code[seen], n_classes
        )
    values["f1"] = detected.dq
    return _Scored(
        sample,
        nuclei,
        values,
        metrics.class_counts(truth, nuclei.class_code, pairs, n_classes),
        metrics.class_detection(
            sample.centroids, nuclei.centroids, truth, nuclei.class_code, n_classes, radius_px
        ),
        by_class,
        np.bincount(truth[truth >= 0], minlength=n_classes),
        np.bincount(nuclei.class_code, minlength=n_classes),
    )


def _counts(one: _Scored, classes: tuple[str, ...]) -> dict[str, int]:
    """Return the true and the found number of each class, where all true ones are known."""
    counts: dict[str, int] = {}
    if fully_classed(one.sample):
        both = zip(classes, one.truth_counts.tolist(), one.counts.tolist(), strict=True)
        for name, truth, answer in both:
            counts |= {f"n_{name}_truth": truth, f"n_{name}": answer}
    return counts


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _summary(
    scored: list[_Scored], classes: tuple[str, ...], error: NDArray[np.float64]
) -> dict[str, float]:
    """Pool the images of one data set; `error` is that which counts share."""
    names = dict.fromkeys(name for one in scored for name in one.values)
    row = {name: _mean(one.values.get(name, np.nan) for one in scored) for name in names}
    row["n_truth"] = sum(one.values["n_truth"] for one in scored)
    row["n_found"] = sum(one.values["n_found"] for one in scored)
    truth_counts = np.stack([one.truth_counts for one in scored])
    if not truth_counts.any():
        return row
    agreement = sum((one.agreement for one in scored[1:]), scored[0].agreement)
    detected = metrics.summed([one.detected for one in scored])
    # A class that the data set does not know has no score, however often it was found.
    known = np.flatnonzero(truth_counts.any(axis=0))
    for code in known:
        row[f"f1_{classes[code]}"] = float(agreement.f1[code])
        row[f"detection_{classes[code]}"] = detected[code].dq
    pooled = metrics.summed([one.by_class for one in scored if one.by_class])
    if pooled:
        row["mpq_plus"] = _mean(pooled[code].pq for code in known)
    sure = [one for one in scored if fully_classed(one.sample)]
    if len(sure) > 1:
        r2 = metrics.count_r2(
            np.stack([one.truth_counts for one in sure]), np.stack([one.counts for one in sure])
        )
        row |= {f"r2_{classes[code]}": float(r2[code]) for code in known}
    every = counted([one.sample for one in scored], [one.nuclei for one in scored], len(classes))
    coverage = every.coverage(error)
    return row | {
        f"coverage_{classes[code]}": float(coverage[code])
        for code in np.flatnonzero(np.isfinite(coverage))
    }


def _picture(one: _Scored, classes: tuple[str, ...]) -> Image.Image:
    """Draw the truth in green and beside it what was found, by class."""
    palette = np.array([(0, 0, 0), *colours(classes).values()], np.uint8)
    truth, answer = one.sample.image.copy(), one.sample.image.copy()
    outlined = one.sample.instances if one.sample.outlined else one.sample.owner
    truth[find_boundaries(outlined, mode="inner")] = _TRUTH_COLOUR
    border = find_boundaries(one.nuclei.labels, mode="inner")
    code = np.concatenate([[0], one.nuclei.class_code.astype(int) + 1])
    answer[border] = palette[code[one.nuclei.labels[border]]]
    return Image.fromarray(np.hstack([truth, answer]))


def _table(rows: list[dict[str, Any]]) -> str:
    header = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if np.isfinite(value) else "n/a"
    return str(value)


def _markdown(rows: list[dict[str, Any]]) -> str:
    lines = list(csv.reader(io.StringIO(_table(rows))))
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
        Folder to make: ``images.csv`` (one row an image), ``summary.csv`` and ``summary.md`` (one
        row a data set), and ``pictures/`` with the truth beside what was found.
    settings : EvaluateSettings
    members : tuple of str
        Checkpoints of the ensemble.
    threads : int
        Processor cores for the network.

    Raises
    ------
    DataError
        If there is no such image.
    CheckpointError
        If a member cannot be used.
    StoreError
        If the output exists, or cannot be written.
    """
    if output.exists():
        raise StoreError(f"{output}: exists already; remove it or name another folder")
    cards = read_cards(members)
    classes, mpp = cards[0].classes, cards[0].mpp
    samples = load_samples(data, settings.split, classes, mpp)
    torch.set_num_threads(threads)
    keep_freed_memory()
    ensemble = Ensemble.load(cards, choose_device(settings.device), settings.views)
    stride = ensemble.stride
    fixed = in_pixels(cards[0].post_processing, classes, mpp)
    shared = mean_count_error(cards)
    error = np.array([shared.get(name, 0.0) for name in classes])
    scored = []
    with progress("evaluate", len(samples), "images") as advance:
        for sample in samples:
            nuclei = found(predicted(ensemble, sample, stride), fixed, sample)
            scored.append(_scored(sample, nuclei, len(classes), mpp))
            advance(1)
    sources = list(dict.fromkeys(one.source for one in scored))
    groups = {source: [one for one in scored if one.source == source] for source in sources}
    summary = [
        {"dataset": source, "images": len(group), **_summary(group, classes, error)}
        for source, group in groups.items()
    ]
    with published(output) as aside:
        (aside / "pictures").mkdir(parents=True)
        images = [
            {"image": one.sample.name, **one.values, **_counts(one, classes)} for one in scored
        ]
        (aside / "images.csv").write_text(_table(images), "utf-8")
        (aside / "summary.csv").write_text(_table(summary), "utf-8")
        (aside / "summary.md").write_text(_markdown(summary), "utf-8")
        for source, group in groups.items():
            measure = "pq" if any(one.sample.outlined for one in group) else "f1"
            scores = [one.values.get(measure, np.nan) for one in group]
            order = np.argsort(scores, kind="stable")[: max(1, np.isfinite(scores).sum())]
            for rank, place in (("worst", 0), ("median", len(order) // 2), ("best", -1)):
                picture = _picture(group[order[place]], classes)
                picture.save(aside / "pictures" / f"{source}.{rank}.png")
    for row in summary:
        log.info("%s", ", ".join(f"{name} {_cell(value)}" for name, value in row.items()))
