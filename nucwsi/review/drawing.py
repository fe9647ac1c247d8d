"""Which nuclei are drawn for a review, and with which probability each could have been.

The draw has a fixed size and unequal probabilities: a nucleus that the network is unsure of is
drawn more often, and none has a probability of zero. It is systematic with a random start: the
nuclei stand in a row, blocks such as regions one after the other and in random order within each,
and every equal step of the summed probability hits one (Hartley and Rao, Sampling with unequal
probabilities and without replacement, Annals of Mathematical Statistics 33 (1962)). Poisson
sampling would draw a random number of nuclei; conditional Poisson and pivotal sampling have no
simpler variance and take a loop over all nuclei of a slide. In random order the systematic draw is
close enough to one of largest entropy for the variance of `estimator`, and each block receives its
expected number, rounded up or down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

#: Share of the most uncertain nucleus' probability that the most certain one still has. Chosen on
#: validation images: with less, a nucleus that only seems certain weighs too much; with more, the
#: intervals are wider.
FLOOR = 0.2

#: Blocks are drawn from in proportion to the sum of their sizes to this power, which lies between
#: equal numbers for all (0) and proportional ones (1): Bankier, Power allocations, The American
#: Statistician 42 (1988).
_POWER = 0.5


def uncertainty(class_probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how unsure a network is of the class of each nucleus.

    Parameters
    ----------
    class_probabilities : (N, C) ndarray of float
        0 to 1; each row adds up to 1.

    Returns
    -------
    (N,) ndarray of float64
        Entropy of the probabilities, divided by its largest value: 0 to 1. 0 for a single class.

    Examples
    --------
    >>> uncertainty(np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([0., 1.])
    """
    entropy = entr(class_probabilities.astype(np.float64)).sum(axis=1)
    return np.asarray(entropy / np.log(max(class_probabilities.shape[1], 2))).clip(0, 1)


def sizes(
    class_probabilities: NDArray[np.floating], block: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return numbers to which the probability of being drawn is proportional.

    Parameters
    ----------
    class_probabilities : (N, C) ndarray of float
        Of the nuclei, 0 to 1.
    block : (N,) ndarray of int
        Number of the block, such as a region, that each nucleus belongs to, from 0.

    Returns
    -------
    (N,) ndarray of float64
        Above 0. The more uncertain, the larger; nuclei of small blocks are larger than those of
        large ones.
    """
    size = FLOOR + (1 - FLOOR) * uncertainty(class_probabilities)
    total = np.bincount(block, size)
    share = total**_POWER / np.where(total > 0, total, 1)
    return np.asarray(size * share[block], np.float64)


def inclusion_probabilities(size: NDArray[np.floating], n: int) -> NDArray[np.float64]:
    """Return the probabilities of a draw of `n` that are proportional to sizes, and at most 1.

    Parameters
    ----------
    size : (N,) ndarray of float
        Above 0.
    n : int
        How many are drawn; all if there are not more.

    Returns
    -------
    (N,) ndarray of float64
        Above 0 if `n` is; they add up to `n`, or to N if that is less.

    Examples
    --------
    >>> inclusion_probabilities(np.array([1.0, 1.0, 8.0]), 2)
    array([0.5, 0.5, 1. ])
    """
    if n >= len(size):
        return np.ones(len(size))
    certain = np.zeros(len(size), bool)
    while True:
        rest = size[~certain].sum()
        probability = np.where(certain, 1.0, (n - certain.sum()) * size / rest)
        if (probability <= 1).all():
            return probability
        certain |= probability > 1


def systematic_draw(
    probability: NDArray[np.float64], block: NDArray[np.integer], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw with given probabilities, each block its expected number, rounded up or down.

    Parameters
    ----------
    probability : (N,) ndarray of float64
        Of being drawn, 0 to 1; their sum is a whole number n.
    block : (N,) ndarray of int
        Number of the block that each belongs to.
    rng : numpy.random.Generator
        Source of the start and of the order within blocks.

    Returns
    -------
    (n,) ndarray of int64
        What is drawn, ascending.
    """
    order = np.lexsort((rng.random(len(probability)), block))
    reached = np.cumsum(probability[order])
    n = round(float(probability.sum()))
    # A sum of many floats misses the whole number by a little, and the last step with it.
    places = np.searchsorted(reached, rng.uniform() + np.arange(n), side="right")
    return np.sort(order[np.minimum(places, len(order) - 1)])


def shared_out(weight: NDArray[np.floating], available: NDArray[np.integer], n: int) -> list[int]:
    """Share a number of draws out over slides.

    Parameters
    ----------
    weight : (S,) ndarray of float
        Sum of the sizes of each slide.
    available : (S,) ndarray of int
        How many each slide has.
    n : int
        Draws on all slides; more if each is to have two, fewer if there are not as many.

    Returns
    -------
    list of int
        Draws on each slide: at least two, from which a variance can be estimated, or all.

    Examples
    --------
    >>> shared_out(np.array([1.0, 100.0, 1.0]), np.array([50, 500, 1]), 12)
    [2, 9, 1]
    """
    least = np.minimum(2, available)
    share = np.asarray(weight, np.float64) ** _POWER
    chosen = least.copy()
    while chosen.sum() < min(n, available.sum()):
        # The one that lags farthest behind its share is next.
        lag = np.where(chosen < available, share / (chosen + 1), -1.0)
        chosen[int(lag.argmax())] += 1
    return [int(number) for number in chosen]
