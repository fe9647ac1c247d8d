"""What do 30, 100 and 300 answers teach of classes that are withheld from the network, on the
patient of the answers, on other patients, and on another organ?
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from rasterio.features import shapes as traced

from bench.measure import THREADS, shared
from bench.report import table
from nucwsi.features import network, nucleus, shape
from nucwsi.features.surroundings import Surroundings
from nucwsi.io.datasets.manifest import read
from nucwsi.metrics import match_centroids
from nucwsi.models.card import Card, canvas_card, read_cards
from nucwsi.models.ensemble import Ensemble
from nucwsi.nuclei.constants import in_pixels
from nucwsi.runtime.device import choose_device
from nucwsi.slide.resample import area_average, scale_taps
from nucwsi.steps.teach import LEAST_LABELS
from nucwsi.teaching.fit import Labelled, fit_linear
from nucwsi.teaching.folds import make_folds
from nucwsi.training.labelled_nuclei import find_nuclei, predict_image
from nucwsi.training.load_samples import load_samples
from nucwsi.training.sample import Sample
from nucwsi.training.scores import MATCH_UM

#: Data set -> its folder, and the organ. Each label means one class of the network.
_SETS = {
    "consep": ("nuclei", "colon"),
    "brca-m2c": ("nuclei", "breast"),
    "pannuke_fig": ("nuclei_more", "many organs"),
}

_LABELS, _REPEATS = (30, 100, 300), 5

#: Nuclei that are left to test on, at least.
_LEFT = 50


class Image(NamedTuple):
    """The N nuclei found in an image whose true class is known.

    `seen` (N, F) are features without what the network said, `said` (N, C + 1) what it said,
    `code` (N,) the true class, `found` (N,) that of the network, `points` (N, 2) places in µm.
    """

    name: str
    seen: NDArray[np.float64]
    said: NDArray[np.float64]
    code: NDArray[np.int64]
    found: NDArray[np.int64]
    points: NDArray[np.float64]


def _pixels(sample: Sample, mpp: float) -> NDArray[np.uint8]:
    """Bring an image of `mpp` to the resolution of features, as a slide is brought to it."""
    height, width = sample.image.shape[:2]
    scale = nucleus.MPP / mpp
    rows, columns = (
        scale_taps(0, int(np.ceil(side / scale - 1e-6)), scale, 0.0) for side in (height, width)
    )
    room = ((0, max(0, rows.stop - height)), (0, max(0, columns.stop - width)), (0, 0))
    padded = np.pad(sample.image, room, mode="edge")
    return area_average(padded[rows.first : rows.stop, columns.first : columns.stop], rows, columns)


def _image(sample: Sample, ensemble: Ensemble, card: Card) -> Image:
    """Find the nuclei of a labelled image, and describe those whose true class is known."""
    mpp = card.mpp / sample.scale
    fixed = in_pixels(card.post_processing, card.classes, card.mpp)
    nuclei = find_nuclei(predict_image(ensemble, sample), fixed, sample)
    outlines = {
        int(value): shapely.geometry.shape(geometry)
        for geometry, value in traced(nuclei.labels, nuclei.labels > 0)
    }
    numbers = np.array(sorted(outlines), np.int64)
    polygons = shapely.transform(
        np.array([outlines[n] for n in numbers.tolist()], object), lambda xy: xy * mpp / nucleus.MPP
    )
    measured = nucleus.nucleus_features(_pixels(sample, mpp), (0, 0), polygons)
    points = nuclei.centroids[numbers - 1] * mpp
    at = [shape.NAMES.index(name) for name in ("area_um2", "circularity", "solidity")]
    around = Surroundings(points, *measured[:, at].T).features(np.arange(len(numbers)))
    shares = nuclei.class_probabilities[numbers - 1]
    said = network.network_features(shares, np.ones(len(numbers)))
    pairs = match_centroids(sample.centroids * mpp, points, MATCH_UM)
    code = np.full(len(numbers), -1)
    code[pairs[:, 1]] = sample.class_codes[pairs[:, 0]]
    known = code >= 0
    seen = np.concatenate([measured, around], axis=1)
    columns = (seen, said, code, shares.argmax(axis=1), points)
    return Image(sample.name, *(values[known] for values in columns))


def read_images() -> dict[str, list[Image]]:
    """Find and describe the nuclei of all images: data set -> patients, or images."""
    torch.set_num_threads(THREADS)
    cards = read_cards(("default",))
    card = canvas_card(cards)
    ensemble = Ensemble.load(cards, choose_device("cpu"), 1)
    sets: dict[str, dict[str, list[Image]]] = {name: {} for name in _SETS}
    for folder in dict.fromkeys(folder for folder, _ in _SETS.values()):
        entries = read(shared(folder)).entries
        patients = {f"{one.dataset}/{one.name}": one.patient or one.name for one in entries}
        for sample in load_samples([shared(folder)], "val", card.classes, card.mpp):
            if sample.dataset in sets:
                image = _image(sample, ensemble, card)
                sets[sample.dataset].setdefault(patients[sample.name], []).append(image)
    return {
        name: [_side_by_side(images) for images in patients.values()]
        for name, patients in sets.items()
    }


def _side_by_side(images: list[Image]) -> Image:
    """Join the images of a patient; their places do not overlap."""
    moved = [
        one._replace(points=one.points + np.array([0, 1e4 * k])) for k, one in enumerate(images)
    ]
    _, *columns = zip(*moved, strict=True)
    return Image(images[0].name, *map(np.concatenate, columns))


class Score(NamedTuple):
    """Shares of nuclei that are right: taught, network, commonest class; nuclei tested on."""

    taught: float
    network: float
    commonest: float


def _taught(
    shown: Sequence[tuple[Image, NDArray[np.intp]]],
    tested: Sequence[tuple[Image, NDArray[np.intp]]],
    ask_network: bool,
) -> Score | None:
    """Teach from nuclei, and test on others; None where fewer than two classes can be claimed."""
    values, code, slide, points = (
        np.concatenate(column)
        for column in zip(
            *(
                (_values(one, ask_network)[at], one.code[at], np.full(len(at), k), one.points[at])
                for k, (one, at) in enumerate(shown)
            ),
            strict=True,
        )
    )
    names, counts = np.unique(code, return_counts=True)
    claimed = names[counts >= LEAST_LABELS]
    if len(claimed) < 2:
        return None
    kept = np.isin(code, claimed)
    trusted = np.zeros(values.shape[1], bool)
    if ask_network:
        trusted[shown[0][0].seen.shape[1] : -1] = True
    labelled = Labelled(
        values[kept], np.searchsorted(claimed, code[kept]), np.ones(int(kept.sum())), trusted
    )
    linear, _ = fit_linear(labelled, make_folds(slide[kept], points[kept]))
    commonest = names[counts.argmax()]
    right = [
        (
            claimed[linear.logits(_values(one, ask_network)[at]).argmax(axis=1)] == one.code[at],
            one.found[at] == one.code[at],
            one.code[at] == commonest,
        )
        for one, at in tested
    ]
    return Score(*(float(np.mean(np.concatenate(hits))) for hits in zip(*right, strict=True)))


def _values(image: Image, ask_network: bool) -> NDArray[np.float64]:
    return np.concatenate([image.seen, image.said], axis=1) if ask_network else image.seen


def _all(image: Image) -> NDArray[np.intp]:
    return np.arange(len(image.code))


Draws = Iterator[tuple[list[tuple[Image, NDArray[np.intp]]], list[tuple[Image, NDArray[np.intp]]]]]


def _same_patient(images: list[Image], n: int) -> Draws:
    for image in images:
        for seed in range(_REPEATS if len(image.code) >= n + _LEFT else 0):
            order = np.random.default_rng(seed).permutation(len(image.code))
            yield [(image, order[:n])], [(image, order[n:])]


def _from_all_others(images: list[Image], n: int) -> Draws:
    for image in images:
        others = [one for one in images if one is not image]
        for seed in range(_REPEATS):
            yield _spread(others, n, seed), [(image, _all(image))]


def _from_one(images: list[Image], n: int) -> Draws:
    for image in images:
        others = [(one, _all(one)) for one in images if one is not image]
        for seed in range(_REPEATS if len(image.code) >= n else 0):
            order = np.random.default_rng(seed).permutation(len(image.code))
            yield [(image, order[:n])], others


def _spread(images: list[Image], n: int, seed: int) -> list[tuple[Image, NDArray[np.intp]]]:
    """Draw nuclei from all images together."""
    owner = np.concatenate([np.full(len(one.code), k) for k, one in enumerate(images)])
    place = np.concatenate([_all(one) for one in images])
    drawn = np.random.default_rng(seed).permutation(len(owner))[:n]
    parts = [(one, place[drawn[owner[drawn] == k]]) for k, one in enumerate(images)]
    return [(one, at) for one, at in parts if len(at)]


#: What a table shows: how answers and tested nuclei are drawn.
_WAYS: dict[str, Callable[[list[Image], int], Draws]] = {
    "the same patient": _same_patient,
    "another patient; answers from all others": _from_all_others,
    "other patients; answers from one": _from_one,
}


def _rows(images: list[Image], organ: str) -> list[list[str]]:
    rows = []
    for way, draws in _WAYS.items():
        for n in _LABELS:
            for ask in (False, True):
                scores = [_taught(*draw, ask) for draw in draws(images, n)]
                if scores:
                    rows.append([organ, way, str(n), "yes" if ask else "no", *_cells(scores)])
    return rows


def _cells(scores: list[Score | None]) -> list[str]:
    """Lay out means over draws, and in how many of them two classes could be claimed."""
    known = [score for score in scores if score is not None]
    share = f"{len(known)} of {len(scores)}"
    if not known:
        return ["", "", "", "", share]
    taught, other, commonest = np.mean(known, axis=0)
    worse = np.mean([score.taught < score.network for score in known])
    return [f"{taught:.3f}", f"{other:.3f}", f"{commonest:.3f}", f"{100 * worse:.0f} %", share]


def _other_organ(sets: dict[str, list[Image]]) -> list[list[str]]:
    rows = []
    for taught, tested in permutations(("consep", "brca-m2c")):
        for ask in (False, True):
            draws = (
                (_spread(sets[taught], 300, seed), [(one, _all(one)) for one in sets[tested]])
                for seed in range(_REPEATS)
            )
            scores = [_taught(*draw, ask) for draw in draws]
            organs = [_SETS[taught][1], _SETS[tested][1]]
            rows.append([*organs, "300", "yes" if ask else "no", *_cells(scores)])
    return rows


def measure(folder: Path) -> str:  # noqa: ARG001 (nothing is written)
    """Teach from simulated answers, and test on nuclei that were not shown."""
    sets = read_images()
    said = [
        f"{_SETS[name][1]}: {sum(len(one.code) for one in images)} nuclei of {len(images)} patients"
        f" or images ({name} val)"
        for name, images in sets.items()
    ]
    head = ["taught", "network", "commonest class", "draws worse than the network", "taught in"]
    rows = [row for name, images in sets.items() for row in _rows(images, _SETS[name][1])]
    same = table(["organ", "tested on", "answers", "sees the network's answers", *head], rows)
    other = table(
        ["taught on", "tested on", "answers", "sees the network's answers", *head],
        _other_organ(sets),
    )
    return "\n\n".join(["; ".join(said) + ".", same, other])
