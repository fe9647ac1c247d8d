"""Do a hundred answers, given from the truth of images not learnt from, correct the counts?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from bench.measure import THREADS, shared
from bench.report import Finding, table, verdict
from nucwsi import metrics
from nucwsi.models.card import read_cards
from nucwsi.models.ensemble import Ensemble
from nucwsi.nuclei.constants import in_pixels
from nucwsi.review.correction import Review, corrected
from nucwsi.review.drawing import inclusion_probabilities, sizes, systematic_draw
from nucwsi.review.estimator import Evidence, Totals
from nucwsi.review.frames import FrameGrid, frame_sizes
from nucwsi.runtime.device import choose_device
from nucwsi.training.labelled_nuclei import find_nuclei, predict_image
from nucwsi.training.load_samples import load_samples
from nucwsi.training.scores import match_radius_px

#: As the defaults of `nucwsi review`.
_LABELS, _FRAMES, _FRAME_UM = 100, 20, 40.0
_REPEATS = 1000

#: Share of the nuclei that the worse network misses, and of false ones that it adds.
_WORSE = 0.1

#: Rarer classes are listed, but the goals are about the others: of a share of 1 %, a hundred
#: answers show one nucleus.
_COMMON = 0.02

_DATA = {"consep": "nuclei", "brca-m2c": "nuclei", "pannuke_fig": "nuclei_more"}


class Tissue(NamedTuple):
    """The images of a data set side by side, x and y in µm: what was found, and what is there.

    `truth` (N,) is the class of each nucleus found, C for one that is none; `missed` (M, 2) and
    `missed_class` (M,) are those that were not found.
    """

    points: NDArray[np.float64]
    shares: NDArray[np.float64]
    truth: NDArray[np.int64]
    missed: NDArray[np.float64]
    missed_class: NDArray[np.int64]
    area: shapely.Geometry

    @property
    def n_classes(self) -> int:
        return self.shares.shape[1]

    def counts(self, with_missed: bool) -> NDArray[np.int64]:
        """Return the true number of nuclei of each class."""
        found = np.bincount(self.truth, minlength=self.n_classes + 1)[:-1]
        missed = np.bincount(self.missed_class, minlength=self.n_classes)
        return found + missed * with_missed

    def chosen(self, kept: NDArray[np.bool_]) -> Tissue:
        """Return the tissue with some of the nuclei that were found."""
        parts = (self.points[kept], self.shares[kept], self.truth[kept])
        return self._replace(points=parts[0], shares=parts[1], truth=parts[2])


def _tissues() -> dict[str, Tissue]:
    """Predict the validation images, once, and lay those of a data set side by side."""
    cards = read_cards(("default",))
    classes, mpp = cards[0].classes, cards[0].mpp
    torch.set_num_threads(THREADS)
    ensemble = Ensemble.load(cards, choose_device("cpu"), 1)
    fixed = in_pixels(cards[0].post_processing, classes, mpp)
    placed: dict[str, list[Tissue]] = {name: [] for name in _DATA}
    for folder in dict.fromkeys(_DATA.values()):
        for sample in load_samples([shared(folder)], "val", classes, mpp):
            if sample.dataset not in placed or not sample.fully_classed:
                continue
            found = find_nuclei(predict_image(ensemble, sample), fixed, sample)
            radius = match_radius_px(sample, mpp)
            pairs = metrics.match_centroids(sample.centroids, found.centroids, radius)
            truth = np.full(len(found.centroids), len(classes))
            truth[pairs[:, 1]] = sample.class_codes[pairs[:, 0]]
            missed = np.setdiff1d(np.arange(len(sample.centroids)), pairs[:, 0])
            um = mpp / sample.scale
            left = placed[sample.dataset][-1].area.bounds[2] if placed[sample.dataset] else 0.0
            height, width = (um * side for side in sample.instances.shape)
            placed[sample.dataset].append(
                Tissue(
                    found.centroids[:, ::-1] * um + [left, 0],
                    found.class_probabilities.astype(np.float64),
                    truth,
                    sample.centroids[missed][:, ::-1] * um + [left, 0],
                    sample.class_codes[missed],
                    shapely.box(left, 0, left + width, height),
                )
            )
    return {name: _joined(images) for name, images in placed.items()}


def _joined(images: list[Tissue]) -> Tissue:
    *columns, areas = zip(*images, strict=True)
    return Tissue(*map(np.concatenate, columns), shapely.union_all(areas))


def _worse(tissue: Tissue, rng: np.random.Generator) -> Tissue:
    """Let the network miss a tenth of the nuclei more, and find as many that are none.

    It misses inflammatory nuclei three times as often as others; what it makes up looks to it like
    any other nucleus.
    """
    real = tissue.truth < tissue.n_classes
    odds = np.where(tissue.truth == 1, 3.0, 1.0) * real
    gone = rng.random(len(odds)) < _WORSE * odds * real.sum() / odds.sum()
    kept = tissue.chosen(~gone)
    n_false = round(_WORSE * len(kept.points))
    low, high = np.reshape(tissue.area.bounds, (2, 2))
    made_up = kept.shares[rng.integers(len(kept.points), size=n_false)]
    return kept._replace(
        points=np.concatenate([kept.points, rng.uniform(low, high, (n_false, 2))]),
        shares=np.concatenate([kept.shares, made_up]),
        truth=np.concatenate([kept.truth, np.full(n_false, tissue.n_classes)]),
        missed=np.concatenate([tissue.missed, tissue.points[gone]]),
        missed_class=np.concatenate([tissue.missed_class, tissue.truth[gone]]),
    )


@dataclasses.dataclass
class _Draws:
    """Draws from a tissue as `nucwsi review` makes them, and answers from its truth."""

    tissue: Tissue
    n_frames: int

    def __post_init__(self) -> None:
        tissue, n = self.tissue, len(self.tissue.points)
        self._block = np.zeros(n, np.int64)
        self._chance = inclusion_probabilities(sizes(tissue.shares, self._block), _LABELS)
        self._labels = np.eye(tissue.n_classes + 1)[tissue.truth][:, :-1]
        grid = FrameGrid.over(tissue.area.bounds, (_FRAME_UM, _FRAME_UM))
        nuclei = grid.square_of(tissue.points)
        self._squares = grid.inhabited(tissue.area, np.union1d(nuclei, []).astype(np.int64))
        self._of_missed = np.searchsorted(self._squares, grid.square_of(tissue.missed))
        size = frame_sizes(self._squares, nuclei)
        self._frame_chance = inclusion_probabilities(size, self.n_frames)

    def totals(self, rng: np.random.Generator) -> Totals:
        """Draw, answer, and estimate."""
        tissue = self.tissue
        at = systematic_draw(self._chance, self._block, rng)
        frames = np.empty(0, np.int64)
        if self.n_frames:
            blank = np.zeros(len(self._squares), np.int64)
            frames = systematic_draw(self._frame_chance, blank, rng)
        inside = np.isin(self._of_missed, frames)
        review = Review(
            rows=at,
            labels=self._labels[at],
            probability=self._chance[at],
            drawn_from=np.ones(len(self._chance), bool),
            missed=np.eye(tissue.n_classes)[tissue.missed_class[inside]],
            missed_frame=np.searchsorted(frames, self._of_missed[inside]),
            frames=self._frame_chance[frames],
        )
        pairs = np.stack([self._block, np.arange(len(self._block))])
        [whole] = corrected([review], tissue.shares, pairs, 1).totals
        if whole is None:
            raise SystemExit("fewer answers than the estimator asks for")
        return whole

    def labels_alone(self, rng: np.random.Generator) -> Totals:
        """Answer as many nuclei that are drawn alike, without the network's help."""
        n, n_classes = len(self._chance), self.tissue.n_classes
        at = rng.choice(n, _LABELS, replace=False)
        alike = np.full(_LABELS, _LABELS / n)
        none = np.zeros((0, n_classes))
        evidence = Evidence(
            self._labels[at], np.zeros((_LABELS, n_classes)), alike, none, alike[:0] > 0, alike[:0]
        )
        return evidence.found(np.zeros(n_classes), np.zeros((n_classes, n_classes)))


class _Measured(NamedTuple):
    """One class of one data set: truth, what the network says, and what the answers make of it.

    `error` is the standard error of `bias` over the repetitions.
    """

    name: str
    truth: float
    network: float
    bias: float
    coverage: float
    half: float
    alone: float
    error: float


def _shares(name: str, tissue: Tissue, n_frames: int, rng: np.random.Generator) -> list[_Measured]:
    """Measure the corrected shares of the classes of one data set."""
    draws = _Draws(tissue, n_frames)
    counts = tissue.counts(with_missed=n_frames > 0)
    truth = counts / counts.sum()
    found = [draws.totals(rng).shares() for _ in range(_REPEATS)]
    alone = [draws.labels_alone(rng).shares() for _ in range(_REPEATS)]
    value, low, high = (np.array([one[side] for one in found]) for side in range(3))
    held = ((low <= truth) & (truth <= high)).mean(axis=0)
    half, width = (
        np.mean([(one.high - one.low) / 2 for one in several], axis=0) for several in (found, alone)
    )
    network = tissue.shares.mean(axis=0)
    names = read_cards(("default",))[0].classes
    bias, error = value.mean(axis=0) - truth, value.std(axis=0) / _REPEATS**0.5
    columns = (truth, network, bias, held, half, width, error)
    return [
        _Measured(f"{name}, {names[c]}", *row)
        for c, row in enumerate(np.transpose(columns).tolist())
    ]


def _counts(name: str, tissue: Tissue, rng: np.random.Generator) -> list[_Measured]:
    """Measure the corrected counts of one data set, as shares of all true nuclei."""
    draws, truth = _Draws(tissue, _FRAMES), tissue.counts(with_missed=True)
    found = [draws.totals(rng) for _ in range(_REPEATS)]
    counts = [one.counts() for one in found]
    total, low, high = (
        np.array([one.total for one in found]),
        *(np.array([one[side] for one in counts]) for side in (1, 2)),
    )
    held = ((low <= truth) & (truth <= high)).mean(axis=0)
    names = read_cards(("default",))[0].classes
    whole = truth.sum()
    return [
        _Measured(
            f"{name}, {names[c]}",
            truth[c] / whole,
            tissue.shares[:, c].sum() / whole,
            (total[:, c].mean() - truth[c]) / whole,
            held[c],
            (high - low)[:, c].mean() / 2 / whole,
            np.nan,
            total[:, c].std() / _REPEATS**0.5 / whole,
        )
        for c in range(tissue.n_classes)
    ]


def _listed(measured: list[_Measured]) -> str:
    head = ["class", "true", "network", "bias", "coverage", "half width", "labels alone", "ratio"]
    rows = [
        [
            one.name,
            *(f"{value:.3f}" for value in (one.truth, one.network)),
            f"{one.bias:+.4f}",
            f"{one.coverage:.3f}",
            f"{one.half:.3f}",
            "" if np.isnan(one.alone) else f"{one.alone:.3f}",
            f"{one.half / one.alone:.2f}" if one.alone > 0 else "",
        ]
        for one in measured
    ]
    return table(head, rows)


def _goals(shares: list[_Measured], counts: list[_Measured]) -> str:
    common, all_common = ([m for m in part if m.truth >= _COMMON] for part in (shares, counts))
    bias = max(abs(one.bias) for one in common)
    low, high = (f(one.coverage for one in common) for f in (min, max))
    mean = float(np.mean([one.coverage for one in common]))
    ratio = float(np.mean([one.half / one.alone for one in common]))
    of_counts = max(abs(one.bias) / one.error for one in all_common)
    held = float(np.mean([one.coverage for one in all_common]))
    return verdict(
        [
            Finding("largest bias of a share", "below 0.005", f"{bias:.4f}", bias < 0.005),
            Finding(
                "coverage, mean (least to most)",
                "0.93 to 0.97",
                f"{mean:.3f} ({low:.3f} to {high:.3f})",
                0.93 <= mean <= 0.97,
            ),
            Finding(
                "half width over that of labels alone, mean",
                "at most 0.6",
                f"{ratio:.2f}",
                ratio <= 0.6,
            ),
            Finding(
                "worse network: largest bias of a count, in standard errors of the repetitions",
                "below 3: chance",
                f"{of_counts:.1f}",
                of_counts < 3,
            ),
            Finding("worse network: coverage of counts, mean", "", f"{held:.3f}"),
        ]
    )


def measure(folder: Path) -> str:  # noqa: ARG001 (no file is written)
    """Repeat the review of each data set two hundred times, also with a worse network."""
    rng = np.random.default_rng(1)
    tissues = _tissues()
    typed = {name: t.chosen(t.truth < t.n_classes) for name, t in tissues.items()}
    worse = {name: _worse(tissue, rng) for name, tissue in tissues.items()}
    shares = [row for name, tissue in typed.items() for row in _shares(name, tissue, 0, rng)]
    whole = [row for name, t in tissues.items() for row in _shares(name, t, _FRAMES, rng)]
    counts = [row for name, tissue in worse.items() for row in _counts(name, tissue, rng)]
    of_worse = "; ".join(
        f"{name}: {len(t.missed) / t.counts(True).sum():.0%} missed,"
        f" {(t.truth == t.n_classes).mean():.0%} false"
        for name, t in worse.items()
    )
    return "\n\n".join(
        [
            _goals(shares, counts),
            "Shares of classes among the nuclei that were found and have a true class:",
            _listed(shares),
            "Shares among all true nuclei, with what the default network missed and made up:",
            _listed(whole),
            "Counts, as shares of the number of all true nuclei, by the worse network"
            f" ({of_worse}):",
            _listed(counts),
        ]
    )
