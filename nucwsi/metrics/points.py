"""Scores of centroids, and of the classes of nuclei that are matched by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from nucwsi.metrics.instances import Labels, Score


def match_centroids(
    truth: NDArray[np.floating], predicted: NDArray[np.floating], radius: float
) -> NDArray[np.int64]:
    """Pair points that lie close to each other: as many as possible, then as close as possible.

    The optimum is found on the sparse graph of pairs within reach. Leaving a point alone is a pair
    as well, one so expensive that no number of short distances outweighs it.

    Parameters
    ----------
    truth, predicted : (N, 2) and (M, 2) ndarray of float
        Row and column in any unit and frame, the same for both.
    radius : float
        Largest distance of a pair in the same unit, above 0; a pair at this distance counts.

    Returns
    -------
    (K, 2) ndarray of int
        Index in `truth` and index in `predicted`, ascending; no point occurs twice.

    Raises
    ------
    ValueError
        If the radius is not positive.

    Examples
    --------
    The nearest pair (4 and 5) is not taken, because it would leave two points alone:

    >>> truth, predicted = np.array([[0.0, 0.0], [0.0, 4.0]]), np.array([[0.0, 5.0], [0.0, 9.0]])
    >>> match_centroids(truth, predicted, 5)
    array([[0, 0],
           [1, 1]])
    """
    if not radius > 0:
        raise ValueError(f"the radius must be positive, got {radius}")
    one = np.asarray(truth, np.float64).reshape(-1, 2)
    other = np.asarray(predicted, np.float64).reshape(-1, 2)
    if not len(one) or not len(other):
        return np.zeros((0, 2), np.int64)
    near = cKDTree(one).sparse_distance_matrix(cKDTree(other), radius, output_type="coo_matrix")
    if not near.nnz:
        return np.zeros((0, 2), np.int64)
    # Groups that no pair connects are solved one by one, for the effort grows with the square.
    n_points = len(one) + len(other)
    links = (np.ones(near.nnz), (near.row, len(one) + near.col))
    _, group = connected_components(sparse.coo_array(links, shape=(n_points, n_points)))
    order = np.argsort(group[near.row], kind="stable")
    cuts = np.flatnonzero(np.diff(group[near.row][order])) + 1
    rows, columns, costs = near.row[order], near.col[order], near.data[order] / radius
    pairs = [
        _assigned(rows[part], columns[part], costs[part])
        for part in np.split(np.arange(near.nnz), cuts)
    ]
    matches = np.concatenate(pairs).astype(np.int64)
    return matches[np.argsort(matches[:, 0])]


def pair_as_published(
    truth: NDArray[np.floating], predicted: NDArray[np.floating], radius: float
) -> NDArray[np.int64]:
    """Pair points as HoVer-Net's authors do: the least total distance of all, whatever the radius.

    As many points as possible are paired, far ones too, and pairs beyond the radius are dropped
    afterwards. So a point may be lost to a partner out of reach although another one is near.

    Parameters
    ----------
    truth, predicted : (N, 2) and (M, 2) ndarray of float
        Row and column in any unit and frame, the same for both. N · M distances are held in memory.
    radius : float
        Largest distance of a pair that is kept, in the same unit, above 0; one at this distance is.

    Returns
    -------
    (K, 2) ndarray of int
        Index in `truth` and index in `predicted`, ascending; never more than `match_centroids`
        finds.

    Raises
    ------
    ValueError
        If the radius is not positive.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 4.2, as the function
    ``pair_coordinates`` of the authors' repository vqdang/hover_net carries it out.

    Examples
    --------
    A distance of 1 and one of 9.5 add up to less than 5 and 5.8, of which both lie within reach:

    >>> truth, predicted = np.array([[0.0, 0.0], [0.0, 4.0]]), np.array([[0.0, 5.0], [3.0, 9.0]])
    >>> pair_as_published(truth, predicted, 6)
    array([[1, 0]])
    >>> match_centroids(truth, predicted, 6)
    array([[0, 0],
           [1, 1]])
    """
    if not radius > 0:
        raise ValueError(f"the radius must be positive, got {radius}")
    one = np.asarray(truth, np.float64).reshape(-1, 2)
    other = np.asarray(predicted, np.float64).reshape(-1, 2)
    distance = cdist(one, other)
    pairs = np.stack(linear_sum_assignment(distance), axis=1)
    return pairs[distance[pairs[:, 0], pairs[:, 1]] <= radius].astype(np.int64)


def _assigned(rows: Labels, columns: Labels, costs: NDArray[np.float64]) -> Labels:
    """Return the best pairs (K, 2) of one group, given all pairs (P,) and their costs, 0 to 1."""
    if len(rows) == 1:
        return np.stack([rows, columns], axis=1)
    left, row = np.unique(rows, return_inverse=True)
    right, column = np.unique(columns, return_inverse=True)
    alone = np.arange(left.size)
    # The solver takes a weight of 0 for a missing edge, hence 1 is added to every cost.
    weights = np.concatenate([costs + 1, np.full(left.size, min(left.size, right.size) + 2.0)])
    places = np.concatenate([row, alone]), np.concatenate([column, right.size + alone])
    graph = sparse.csr_array((weights, places), shape=(left.size, right.size + left.size))
    row, column = min_weight_full_bipartite_matching(graph)
    paired = column < right.size
    return np.stack([left[row[paired]], right[column[paired]]], axis=1)


def detection(truth: NDArray[np.floating], predicted: NDArray[np.floating], radius: float) -> Score:
    """Score centroids; `Score.dq` is the F1 score.

    Parameters
    ----------
    truth, predicted : (N, 2) and (M, 2) ndarray of float
        Row and column in any unit and frame, the same for both.
    radius : float
        Largest distance of a match, in the same unit; see `match_centroids`.

    Returns
    -------
    Score
        Its `iou_sum` is 0.
    """
    tp = len(match_centroids(truth, predicted, radius))
    return Score(tp, len(predicted) - tp, len(truth) - tp)


def class_detection(
    truth: NDArray[np.floating],
    predicted: NDArray[np.floating],
    true_class: NDArray[np.integer],
    predicted_class: NDArray[np.integer],
    n_classes: int,
    radius: float,
) -> list[Score]:
    """Score the centroids of each class among themselves.

    Parameters
    ----------
    truth, predicted : (N, 2) and (M, 2) ndarray of float
        Row and column in any unit and frame, the same for both.
    true_class, predicted_class : (N,) and (M,) ndarray of int
        Index of the class of each nucleus. True nuclei of other numbers than 0 to `n_classes` - 1
        are of unknown class; a predicted nucleus that is matched with one of them is left out.
    n_classes : int
        Number of classes.
    radius : float
        Largest distance of a match, in the same unit; see `match_centroids`.

    Returns
    -------
    list of Score
        One for each class.

    References
    ----------
    Abousamra et al., Multi-Class Cell Detection Using Spatial Context Representation, ICCV 2021,
    as in the authors' evaluation: 6 px at 0.508 µm/px.
    """
    other = ~np.isin(true_class, np.arange(n_classes))
    pairs = match_centroids(truth, predicted, radius)
    judged = np.ones(len(predicted), bool)
    judged[pairs[other[pairs[:, 0]], 1]] = False
    return [
        detection(truth[true_class == code], predicted[judged & (predicted_class == code)], radius)
        for code in range(n_classes)
    ]


@dataclass(frozen=True)
class ClassAgreement:
    """How often matched nuclei agree in their class; add agreements to pool images.

    Attributes
    ----------
    agreeing : (C,) ndarray of int
        Pairs of which both nuclei are of the class.
    confused : (C,) ndarray of int
        Pairs of which one nucleus is of the class and the other is not.
    unmatched : (C,) ndarray of int
        True and predicted nuclei of the class without a partner.
    """

    agreeing: NDArray[np.int64]
    confused: NDArray[np.int64]
    unmatched: NDArray[np.int64]

    def __add__(self, other: ClassAgreement) -> ClassAgreement:
        """Pool the nuclei of two images."""
        return ClassAgreement(
            self.agreeing + other.agreeing,
            self.confused + other.confused,
            self.unmatched + other.unmatched,
        )

    @property
    def f1(self) -> NDArray[np.float64]:
        """(C,) ndarray: F1 of detection and classification together; NaN without a nucleus."""
        below = 2 * self.agreeing + 2 * self.confused + self.unmatched
        undefined = np.full(len(below), np.nan)
        return np.divide(2 * self.agreeing, below, out=undefined, where=below > 0)


def class_agreement(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    pairs: NDArray[np.int64],
    n_classes: int,
) -> ClassAgreement:
    """Count how often matched nuclei agree in their class.

    Parameters
    ----------
    truth, predicted : (N,) and (M,) ndarray of int
        Index of the class of each nucleus. True nuclei of other numbers than 0 to `n_classes` - 1
        are of unknown class, and what is matched with them is left out.
    pairs : (K, 2) ndarray of int
        Index in `truth` and index in `predicted` of each match, from `match_centroids`.
    n_classes : int
        Number of classes C.

    Returns
    -------
    ClassAgreement
        Of C classes.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 4.2: a nucleus of the wrong
    class weighs twice, a missed or surplus one once, both among nuclei of the class in question.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    known = (truth >= 0) & (truth < n_classes)
    one, other = truth[pairs[:, 0]], predicted[pairs[:, 1]]
    kept = known[pairs[:, 0]]
    one, other = one[kept], other[kept]

    def _tally(codes: NDArray[np.integer]) -> NDArray[np.int64]:
        return np.bincount(codes, minlength=n_classes)

    same = one == other
    lone_truth, lone_predicted = np.ones(len(truth), bool), np.ones(len(predicted), bool)
    lone_truth[pairs[:, 0]] = lone_predicted[pairs[:, 1]] = False
    return ClassAgreement(
        _tally(one[same]),
        _tally(one[~same]) + _tally(other[~same]),
        _tally(truth[lone_truth & known]) + _tally(predicted[lone_predicted]),
    )
