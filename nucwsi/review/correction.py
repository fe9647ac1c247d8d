"""Corrected numbers of the regions of a slide, from the answers to one or more of its draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.review.drawing import FLOOR, uncertainty
from nucwsi.review.estimator import Evidence, Floats, Totals

#: With fewer answers in a region nothing is said of it.
MIN_LABELS = 5


class Review(NamedTuple):
    """The answers to one draw of a slide, as arrays; N nuclei, C classes of all draws.

    Attributes
    ----------
    rows : (n,) ndarray of int64
        Rows in the table of nuclei of those that were answered for.
    labels : (n, C) ndarray of float64
        1 for the class of each; 0 everywhere for what is no nucleus.
    probability : (n,) ndarray of float64
        That each was to be drawn and answered for.
    drawn_from : (N,) ndarray of bool
        Nuclei of the slide that could have been drawn.
    missed : (M, C) ndarray of float64
        1 for the class of each missed nucleus.
    missed_frame : (M,) ndarray of int64
        Index of its frame.
    frames : (F,) ndarray of float64
        Probability of each frame to be drawn and looked through.
    """

    rows: NDArray[np.int64]
    labels: Floats
    probability: Floats
    drawn_from: NDArray[np.bool_]
    missed: Floats
    missed_frame: NDArray[np.int64]
    frames: Floats


class Correction(NamedTuple):
    """Corrected numbers of R regions.

    Attributes
    ----------
    totals : list of (Totals or None)
        One for each region; None where too little is known.
    n_labels : (R,) ndarray of int64
        Answers in each region.
    """

    totals: list[Totals | None]
    n_labels: NDArray[np.int64]


def corrected(
    reviews: Sequence[Review],
    class_probabilities: NDArray[np.floating],
    pairs: NDArray[np.int64],
    n_regions: int,
) -> Correction:
    """Estimate the true numbers of nuclei in the regions of a slide.

    Parameters
    ----------
    reviews : sequence of Review
        At least one. Draws are independent; their estimates are averaged, weighted by their
        numbers of answers and of frames.
    class_probabilities : (N, K) ndarray of float
        What the network says of all nuclei of the slide: the first K of the C classes.
    pairs : (2, P) ndarray of int64
        Index of a region, and row of a nucleus in it; from `composition.regions.owned_nuclei`.
    n_regions : int
        Number of regions R.

    Returns
    -------
    Correction
        Of R regions.
    """
    parts = [_DrawnPart.of(one, class_probabilities, pairs, n_regions) for one in reviews]
    n_labels = np.sum([part.n_labels for part in parts], axis=0)
    totals: list[Totals | None] = []
    for region in range(n_regions):
        able = [part for part in parts if part.holds[region]]
        known = sum(part.n_labels[region] for part in able)
        totals.append(_averaged(able, region) if known >= MIN_LABELS else None)
    return Correction(totals, n_labels)


def _averaged(parts: Sequence[_DrawnPart], region: int) -> Totals | None:
    found = _weighted(
        [part.found(region) for part in parts], [len(part.review.rows) for part in parts]
    )
    framed = [part for part in parts if len(part.review.frames)]
    if found is None or not framed:
        return found
    missed = _weighted(
        [part.missed(region) for part in framed], [len(part.review.frames) for part in framed]
    )
    return found if missed is None else found.plus(missed)


def _weighted(totals: Sequence[Totals], weights: Sequence[int]) -> Totals | None:
    """Average independent estimates of the same numbers."""
    if len(totals) == 1:
        return totals[0]
    whole, joined = sum(weights), None
    for total, weight in zip(totals, weights, strict=True):
        if weight:
            part = total.scaled(weight / whole)
            joined = part if joined is None else joined.plus(part)
    # What was seen was seen, in whichever draw.
    least = np.max([total.counted for total in totals], axis=0)
    return None if joined is None else joined._replace(counted=least)


@dataclass(frozen=True)
class _DrawnPart:
    """One draw, and what the network says of what it was drawn from, region by region.

    `guess` (R + 1, C) and `model` (R + 1, C, C) are sums over regions, and over all that could be
    drawn at the end; `holds` (R,) is whether a region lies in it, `whole` (R,) whether it is all of
    it; `inside` (n, R) which answers are in which region.
    """

    review: Review
    evidence: Evidence
    guess: Floats
    model: Floats
    holds: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    inside: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        review: Review,
        class_probabilities: NDArray[np.floating],
        pairs: NDArray[np.int64],
        n_regions: int,
    ) -> _DrawnPart:
        n_answers, n_classes = review.labels.shape
        n_known = class_probabilities.shape[1]
        guess = np.zeros((len(class_probabilities), n_classes))
        guess[:, :n_known] = _real(review) * class_probabilities
        spare = _spare(review, class_probabilities)
        region, row = pairs[:, review.drawn_from[pairs[1]]]
        owned = np.bincount(pairs[0], minlength=n_regions)
        here = np.bincount(region, minlength=n_regions)
        n_drawable = int(review.drawn_from.sum())
        place = np.full(len(class_probabilities), -1)
        place[review.rows] = np.arange(n_answers)
        inside = np.zeros((n_answers, n_regions), bool)
        answered = place[row] >= 0
        inside[place[row[answered]], region[answered]] = True
        guesses = _sums(guess, region, row, n_regions, review.drawn_from)
        model = _multinomial(guess, spare, region, row, n_regions, review.drawn_from)
        # The network knows nothing of classes that the user has added: it could be one answer.
        added = _sums(spare[:, None], region, row, n_regions, review.drawn_from)
        for code in range(n_known, n_classes):
            model[:, code, code] = added[:, 0] / max(n_answers, 1)
        return cls(
            review=review,
            evidence=Evidence(
                review.labels,
                guess[review.rows],
                review.probability,
                review.missed,
                review.missed_frame,
                review.frames,
            ),
            guess=guesses,
            model=model,
            holds=(owned == here) & (owned > 0),
            whole=here == n_drawable,
            inside=inside,
        )

    @property
    def n_labels(self) -> NDArray[np.int64]:
        """(R,) ndarray: answers in each region."""
        return np.asarray(self.inside.sum(axis=0), np.int64)

    def found(self, region: int) -> Totals:
        """Estimate the nuclei of a region that the network has found."""
        return self.evidence.found(self.guess[region], self.model[region], self.inside[:, region])

    def missed(self, region: int) -> Totals:
        """Estimate the nuclei of a region that the network has missed.

        A few frames cannot tell where on a slide nuclei were missed: they are spread over its
        regions as the nuclei that were found.
        """
        missed, whole = self.evidence.missed_nuclei(self.guess[-1]), float(self.guess[-1].sum())
        if self.whole[region] or whole <= 0:
            return missed
        return missed.scaled(float(self.guess[region].sum()) / whole)


def _real(review: Review) -> float:
    """Return the share of what was found that is a nucleus, as if two more had been answered."""
    weight = 1 / review.probability
    n_answers = len(weight)
    real = float(weight @ review.labels.sum(axis=1) / weight.sum()) if n_answers else 0.0
    return (n_answers * real + 1) / (n_answers + 2) if n_answers else 1.0


def _multinomial(
    guess: Floats,
    spare: Floats,
    region: NDArray[np.int64],
    row: NDArray[np.int64],
    n_regions: int,
    everywhere: NDArray[np.bool_],
) -> Floats:
    """Add up the covariances (R + 1, C, C) of classes that are drawn with the guessed chances."""
    n_classes = guess.shape[1]
    model = np.zeros((n_regions + 1, n_classes, n_classes))
    for one in range(n_classes):
        for other in range(one, n_classes):
            product = spare * guess[:, one] * ((one == other) - guess[:, other])
            sums = _sums(product[:, None], region, row, n_regions, everywhere)[:, 0]
            model[:, one, other] = model[:, other, one] = sums
    return model


def _spare(review: Review, class_probabilities: NDArray[np.floating]) -> Floats:
    """Return (1 - chance) / chance of each nucleus to be drawn, as if it did not lie in a block."""
    size = FLOOR + (1 - FLOOR) * uncertainty(class_probabilities)
    total = float(size[review.drawn_from].sum())
    chance = np.minimum(1, size * len(review.rows) / max(total, 1e-12))
    return np.asarray((1 - chance) / np.maximum(chance, 1e-12), np.float64)


def _sums(
    values: Floats,
    region: NDArray[np.int64],
    row: NDArray[np.int64],
    n_regions: int,
    everywhere: NDArray[np.bool_],
) -> Floats:
    """Add up values (N, C) over regions, and over all that could be drawn; return (R + 1, C)."""
    of_regions = [np.bincount(region, column[row], n_regions) for column in values.T]
    return np.vstack(
        [np.reshape(of_regions, (values.shape[1], n_regions)).T, values[everywhere].sum(axis=0)]
    )


def labels_to_halve(n: int, available: int) -> int:
    """Return how many more draws halve the half width of an interval.

    Parameters
    ----------
    n : int
        Draws that were answered for.
    available : int
        What could have been drawn.

    Returns
    -------
    int
        The variance of a draw without replacement falls with 1 / n - 1 / available; it shall be a
        quarter.

    Examples
    --------
    >>> labels_to_halve(100, 1_000_000), labels_to_halve(100, 200)
    (300, 60)
    """
    if not n:
        return 0
    return int(np.ceil(4 * n * available / (available + 3 * n) - 1e-9)) - n


def confusion(
    reviews: Sequence[Review], predicted: NDArray[np.integer], n_predicted: int
) -> tuple[NDArray[np.int64], Floats]:
    """Return what the answers say of nuclei of each predicted class.

    Parameters
    ----------
    reviews : sequence of Review
        Of one slide.
    predicted : (N,) ndarray of int
        Class that the network gives each nucleus of the slide.
    n_predicted : int
        Classes K of the network.

    Returns
    -------
    n_labels : (K + 1, C + 1) ndarray of int64
        Answers by predicted class and class of the answer; the last row are missed nuclei, the last
        column is what is no nucleus.
    estimated : (K + 1, C + 1) ndarray of float64
        The same for all nuclei that were drawn from.
    """
    n_classes = reviews[0].labels.shape[1]
    n_labels = np.zeros((n_predicted + 1, n_classes + 1), np.int64)
    estimated = np.zeros(n_labels.shape)
    n_answers = max(sum(len(one.rows) for one in reviews), 1)
    n_frames = max(sum(len(one.frames) for one in reviews), 1)
    for one in reviews:
        code = np.where(one.labels.any(axis=1), one.labels.argmax(axis=1), n_classes)
        place = predicted[one.rows], code
        np.add.at(n_labels, place, 1)
        np.add.at(estimated, place, len(one.rows) / n_answers / one.probability)
        if len(one.missed):
            class_code = one.missed.argmax(axis=1)
            np.add.at(n_labels[-1], class_code, 1)
            share = len(one.frames) / n_frames
            np.add.at(estimated[-1], class_code, share / one.frames[one.missed_frame])
    return n_labels, estimated


def with_responses(review: Review, n_drawn: int, n_frames: int) -> Review:
    """Account for what was drawn but not answered for.

    Parameters
    ----------
    review : Review
        With the probabilities of the draw.
    n_drawn, n_frames : int
        Nuclei and frames that were drawn.

    Returns
    -------
    Review
        With probabilities as if those without an answer had been left out at random.
    """
    chance = review.probability * (len(review.rows) / max(n_drawn, 1))
    frames = review.frames * (len(review.frames) / max(n_frames, 1))
    return review._replace(probability=chance, frames=frames)
