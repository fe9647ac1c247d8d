"""From a few answers to all nuclei: corrected counts and shares with 95 % intervals.

The difference estimator: what the network says of all nuclei, plus what the answers say it is wrong
by, each answer weighted with one over the probability that it was drawn (Särndal, Swensson and
Wretman, Model Assisted Survey Sampling, 1992, section 6.3; Angelopoulos et al., Prediction-powered
inference, Science 382 (2023)). Frames are a second, independent draw, and tell of nothing but what
the network has missed: a nucleus that was found is never counted twice. docs/review.md derives it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: How many answers of a class the network's own p (1 - p) is worth as an estimate of the variance.
#: Where answers hold no case of a rare class, their own variance is almost 0, and that is not so.
_PRIOR_ANSWERS = 2.0

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """Numbers with their 95 % intervals.

    Attributes
    ----------
    value, low, high : (C,) ndarray of float64
        One for each class; NaN where nothing can be said.
    """

    value: Floats
    low: Floats
    high: Floats


class Totals(NamedTuple):
    """What is known of the true number of nuclei of C classes in some area.

    Totals of areas whose draws were independent, such as slides, add up.

    Attributes
    ----------
    total : (C,) ndarray of float64
        Estimated number of nuclei.
    covariance : (2, C, C) ndarray of float64
        Covariance of these from the draw of nuclei, and from that of frames.
    model : (2, C, C) ndarray of float64
        The same covariances if the network were right about its own uncertainty.
    seen : (2, C) ndarray of float64
        Answers that speak of each class; and missed nuclei of it.
    freedom : (2,) ndarray of float64
        Degrees of freedom of both draws.
    counted : (C,) ndarray of float64
        Nuclei of each class among the answers: there are at least as many.
    """

    total: Floats
    covariance: Floats
    model: Floats
    seen: Floats
    freedom: Floats
    counted: Floats

    def plus(self, other: Totals) -> Totals:
        """Return the totals of two areas together.

        Parameters
        ----------
        other : Totals
            Of another area, from another draw.

        Returns
        -------
        Totals
            Their sum.
        """
        return Totals(*(one + two for one, two in zip(self, other, strict=True)))

    def counts(self) -> Interval:
        """Return the corrected counts, in nuclei; their lower ends are not below what was seen."""
        one = np.eye(len(self.total))
        half = self._half_widths(one, one)
        value = np.maximum(self.total, self.counted)
        return Interval(
            value,
            np.minimum(value, np.maximum(self.total - half, self.counted)),
            np.maximum(value, self.total + half),
        )

    def scaled(self, factor: float) -> Totals:
        """Return the totals of a part of an area, if it holds this share of every class.

        Parameters
        ----------
        factor : float
            The share, 0 to 1.

        Returns
        -------
        Totals
            What was seen is that of the whole area, but need not lie in the part.
        """
        return self._replace(
            total=self.total * factor,
            covariance=self.covariance * factor**2,
            model=self.model * factor**2,
            counted=np.zeros_like(self.counted),
        )

    def all_classes(self) -> Interval:
        """Return the corrected number of nuclei of all classes together, as one value."""
        one = np.ones((1, len(self.total)))
        half = self._half_widths(one, one)
        total, least = self.total.sum(keepdims=True), self.counted.sum(keepdims=True)
        value = np.maximum(total, least)
        return Interval(
            value,
            np.minimum(value, np.maximum(total - half, least)),
            np.maximum(value, total + half),
        )

    def shares(self) -> Interval:
        """Return the corrected share of each class among all nuclei, 0 to 1."""
        n_classes, whole = len(self.total), float(self.total.sum())
        if whole <= 0:
            return Interval(*np.full((3, n_classes), np.nan))
        share = self.total / whole
        # Linearised, a share changes by (change of the count - share x change of all) / all.
        one = np.eye(n_classes)
        half = self._half_widths((one - share[:, None]) / whole, one)
        return Interval(*(np.clip(share + side, 0, 1) for side in (0.0, -half, half)))

    def _half_widths(self, linear: Floats, classes: Floats) -> Floats:
        """Return half the width of the intervals of linear forms (K, C) of the totals.

        `classes` is 1 where a form (K) is about a class (C): answers of these inform its variance.
        NaN where a draw of a single unit tells nothing of the others.
        """
        seen = self.seen @ classes.T
        # Of a single frame the covariance is infinite, and no width follows.
        with np.errstate(invalid="ignore"):
            of_draw, model = (
                np.einsum("kc,dce,ke->dk", linear, each, linear)
                for each in (self.covariance, self.model)
            )
            blended = (seen * of_draw + _PRIOR_ANSWERS * model) / (seen + _PRIOR_ANSWERS)
        variance = np.maximum(of_draw, blended)
        whole = variance.sum(axis=0)
        spread = (variance**2 / np.maximum(self.freedom, 1)[:, None]).sum(axis=0)
        # Satterthwaite, Biometrics Bulletin 2 (1946).
        freedom = np.divide(whole**2, spread, out=np.ones_like(whole), where=spread > 0)
        # Every job of a workflow loads this module, and scipy.stats takes long.
        from scipy.stats import t as student

        return np.asarray(student.ppf(0.975, np.maximum(freedom, 1)) * np.sqrt(whole), np.float64)


def design_covariance(values: Floats, probability: Floats) -> Floats:
    """Return the covariance of weighted sums over a draw of fixed size and unequal probabilities.

    Parameters
    ----------
    values : (n, C) ndarray of float64
        What was found at each unit; the sums are those of ``values / probability``.
    probability : (n,) ndarray of float64
        Of being drawn, 0 (excluded) to 1.

    Returns
    -------
    (C, C) ndarray of float64
        0 if all units were drawn for sure. Infinite for a single unit that was not.

    References
    ----------
    Deville, Variance estimation for complex statistics and estimators, Survey Methodology 25
    (1999), equation 10: close to the exact variance for draws of large entropy.
    """
    chance = 1 - probability
    if chance.sum() <= 1e-12:
        return np.zeros((values.shape[1],) * 2)
    weight = chance / chance.sum()
    left = 1 - (weight**2).sum()
    if left <= 1e-9:
        return np.diag(np.full(values.shape[1], np.inf))
    expanded = values / probability[:, None]
    centred = expanded - weight @ expanded
    return np.asarray((chance[:, None] * centred).T @ centred / left, np.float64)


class Evidence(NamedTuple):
    """The answers to a draw, ready for the estimator.

    Attributes
    ----------
    labels : (n, C) ndarray of float64
        1 for the class of each drawn nucleus; 0 everywhere for what is no nucleus.
    guess : (n, C) ndarray of float64
        What was expected of each: the class probabilities, times the share of found nuclei that are
        nuclei.
    probability : (n,) ndarray of float64
        That each was to be drawn.
    missed : (M, C) ndarray of float64
        1 for the class of each missed nucleus.
    missed_frame : (M,) ndarray of int64
        Index of the frame in which each missed nucleus lies.
    frames : (F,) ndarray of float64
        Probability of each frame that somebody has looked through.
    """

    labels: Floats
    guess: Floats
    probability: Floats
    missed: Floats
    missed_frame: NDArray[np.int64]
    frames: Floats

    def found(
        self, guess: Floats, model: Floats, inside: NDArray[np.bool_] | None = None
    ) -> Totals:
        """Estimate how many of the nuclei that the network has found are of each class.

        Parameters
        ----------
        guess : (C,) ndarray of float64
            Sum of the guesses of all nuclei of the area.
        model : (C, C) ndarray of float64
            Covariance of the estimate if the network were right about its uncertainty.
        inside : (n,) ndarray of bool, optional
            Whether each drawn nucleus lies in the area; by default all do.

        Returns
        -------
        Totals
            Without what is no nucleus.
        """
        within = np.ones(len(self.labels), bool) if inside is None else inside
        residual = (self.labels - self.guess) * within[:, None]
        answered = self.labels[within]
        return Totals(
            guess + (residual / self.probability[:, None]).sum(axis=0),
            _pair(design_covariance(residual, self.probability), 0),
            _pair(model, 0),
            _pair(np.maximum(answered, self.guess[within]).sum(axis=0), 0),
            np.array([max(len(answered) - 1, 0), 0.0]),
            answered.sum(axis=0),
        )

    def missed_nuclei(self, guess: Floats) -> Totals:
        """Estimate how many nuclei of each class the network has missed.

        Parameters
        ----------
        guess : (C,) ndarray of float64
            Sum of the guesses of all nuclei.

        Returns
        -------
        Totals
            Of all that was drawn from; 0 without frames, for nothing is known then.
        """
        n_frames, seen = len(self.frames), self.missed.sum(axis=0)
        if not n_frames:
            blank = self.found(guess, np.zeros((len(guess), len(guess))))
            return Totals(*map(np.zeros_like, blank))
        in_frame = np.zeros((n_frames, len(guess)))
        np.add.at(in_frame, self.missed_frame, self.missed)
        # Had one more missed nucleus turned up, of any class: where none did, some may be missing.
        one = guess.clip(0) / max(float(guess.clip(0).sum()), 1e-12)
        weight = np.mean((1 - self.frames) / self.frames**2)
        return Totals(
            (in_frame / self.frames[:, None]).sum(axis=0),
            _pair(design_covariance(in_frame, self.frames), 1),
            _pair(np.diag(one * weight), 1),
            _pair(seen, 1),
            np.array([0.0, n_frames - 1]),
            seen,
        )


def _pair(values: Floats, draw: int) -> Floats:
    """Return two arrays on top of each other, of which the one that is not `draw` is 0."""
    pair = np.zeros((2, *values.shape))
    pair[draw] = values
    return pair
