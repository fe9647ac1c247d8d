"""How the chromatin of a nucleus is distributed: coarse or fine, smooth or clumped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nucwsi.features.cells import Pixels

#: Steps of optical density that are told apart, and how many.
_STEP, _LEVELS = 0.15, 12

#: Neighbours of a pixel at distance 1, in rows and columns, half of them: pairs count both ways.
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))

#: What is measured of pairs of pixels.
_MEASURES = ("contrast", "correlation", "energy", "homogeneity", "entropy")


def names(stain: str, distances_um: tuple[float, ...]) -> tuple[str, ...]:
    """Return the names of the features of one stain.

    Parameters
    ----------
    stain : str
        Such as ``haematoxylin``.
    distances_um : tuple of float
        Distances between the pixels of pairs, in µm.

    Returns
    -------
    tuple of str
        In the order of `texture_features`.
    """
    return tuple(f"{stain}_{what}_{um:g}um" for um in distances_um for what in _MEASURES)


def texture_features(
    layer: NDArray[np.float32], nucleus: Pixels, distances_px: tuple[int, ...]
) -> NDArray[np.float32]:
    """Measure the texture of one stain from pairs of pixels of a nucleus at given distances.

    Parameters
    ----------
    layer : (N, S, S) ndarray of float32
        Optical density of the stain, for a cell around each nucleus.
    nucleus : Pixels
        Those of each of N nuclei.
    distances_px : tuple of int
        Distances between the pixels of pairs, along rows, columns and diagonals.

    Returns
    -------
    (N, 5 · D) ndarray of float32
        For each of D distances, contrast, correlation, energy, homogeneity and entropy of the
        co-occurrence matrix of all directions.

    References
    ----------
    Haralick, Shanmugam and Dinstein, IEEE Transactions on Systems, Man, and Cybernetics 3 (1973).
    """
    # -1 where there is no nucleus.
    level = np.full(layer.size, -1, np.int64)
    values = layer.ravel()[nucleus.where]
    level[nucleus.where] = np.clip(np.floor(values / _STEP), 0, _LEVELS - 1)
    tables = [_haralick(_pairs(level, nucleus, distance)) for distance in distances_px]
    return np.concatenate(tables, axis=1).astype(np.float32)


def _pairs(level: NDArray[np.int64], nucleus: Pixels, distance_px: int) -> NDArray[np.float64]:
    """Count the pairs of levels (N, L, L) of pixels at a distance, both ways."""
    count, side, where, owner = nucleus
    row, column = np.divmod(where % side**2, side)
    table = np.zeros(count * _LEVELS**2)
    for down, right in _DIRECTIONS:
        dr, dc = down * distance_px, right * distance_px
        within = (row + dr < side) & (column + dc >= 0) & (column + dc < side)
        other = level[np.where(within, where + dr * side + dc, where)]
        both = within & (other >= 0)
        pair = (owner[both] * _LEVELS + level[where[both]]) * _LEVELS + other[both]
        table += np.bincount(pair, minlength=len(table))
    square = table.reshape(count, _LEVELS, _LEVELS)
    return square + square.transpose(0, 2, 1)


def _haralick(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the measures (N, 5) of co-occurrence matrices (N, L, L)."""
    total = pairs.sum(axis=(1, 2))
    share = pairs / np.maximum(total, 1)[:, None, None]
    i, j = np.indices(share.shape[1:])
    apart = (i - j) ** 2

    def sums(weight: NDArray[np.generic]) -> NDArray[np.float64]:
        return (share * weight).sum(axis=(1, 2))

    mean = sums(i)
    variance = sums(i * i) - mean**2
    covariance = sums(i * j) - mean**2
    # One level alone is as alike as can be.
    flat = variance <= 1e-9
    correlation = np.where(flat, 1.0, covariance / np.where(flat, 1.0, variance))
    logarithm = np.log2(np.where(share > 0, share, 1))
    return np.column_stack(
        [
            sums(apart),
            correlation,
            (share**2).sum(axis=(1, 2)),
            sums(1 / (1 + apart)),
            (share * -logarithm).sum(axis=(1, 2)),
        ]
    )
