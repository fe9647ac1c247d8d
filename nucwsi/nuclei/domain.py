"""Whether nuclei look as those that a network has learnt from: stain, size and certainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, Strict

from nucwsi.nuclei.group_sums import group_sizes, group_sums

#: What is compared: of the optical density (natural logarithm) at nuclei the logarithm of the sum
#: over red, green and blue, and the shares of red and blue; the mean and the standard deviation of
#: the logarithm of the areas in µm²; and the logarithm of the mean doubt about the class.
DESCRIPTORS = ("density", "red", "blue", "size", "spread of sizes", "doubt")

#: The same for readers, three by three.
_KINDS = {"stain": slice(0, 3), "size": slice(3, 5), "certainty": slice(5, 6)}

#: Fewer nuclei have no typical look.
MIN_NUCLEI = 20

#: Stored `np` from which on a pixel is looked at: one half.
_LEAST_NP = 128

#: Optical density of each value of a channel, in thousandths, so that sums do not depend on their
#: order.
_DENSITY = np.rint(-1000 * np.log(np.arange(1, 257) / 256)).astype(np.int64)

#: Keeps the logarithm of a doubt or a density of nothing finite.
_LEAST_DOUBT, _LEAST_DENSITY = 0.01, 0.01

_Number = Annotated[float, Strict(), Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
_Row = Annotated[tuple[_Number, ...], Field(min_length=6, max_length=6)]


def colour_sums(rgb: NDArray[np.uint8], np_map: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Add up the colour of the pixels that are probably nucleus.

    Parameters
    ----------
    rgb : (3, H, W) ndarray of uint8
        Red, green and blue, 0 to 255.
    np_map : (H, W) ndarray of uint8
        Probability of nucleus at the same pixels, times 255.

    Returns
    -------
    (4,) ndarray of int64
        Number of these pixels, and the sums of their optical densities in red, green and blue, in
        thousandths. Sums of parts add up to those of the whole, whatever the parts.
    """
    nucleus = np_map >= _LEAST_NP
    sums = [int(_DENSITY[layer[nucleus]].sum()) for layer in rgb]
    return np.array([int(nucleus.sum()), *sums], np.int64)


def descriptors(
    group: NDArray[np.integer],
    area_um2: NDArray[np.floating],
    certainty: NDArray[np.floating],
    n_groups: int,
    colour: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Describe how the nuclei of each group look.

    Parameters
    ----------
    group : (N,) ndarray of int
        Index of the group that each nucleus belongs to.
    area_um2 : (N,) ndarray of float
        Area of each nucleus, above 0.
    certainty : (N,) ndarray of float
        Probability of its most probable class, 0 to 1.
    n_groups : int
        Number of groups G.
    colour : (G, 4) or (4,) ndarray of int
        `colour_sums` of each group, or of all groups together.

    Returns
    -------
    (G, 6) ndarray of float64
        In the order of `DESCRIPTORS`; NaN for a group of fewer than `MIN_NUCLEI` nuclei, or without
        a pixel of known colour.
    """
    count = group_sizes(group, n_groups)
    size = np.where(count >= MIN_NUCLEI, count, np.nan)

    def _log_area(some: slice) -> NDArray[np.float64]:
        return np.log(np.maximum(area_um2[some], 1e-3)).astype(np.float64)

    total, certain = group_sums(
        group, n_groups, lambda some: [_log_area(some), certainty[some].astype(np.float64)]
    )
    mean = total / size
    centre = np.nan_to_num(mean)
    [squares] = group_sums(
        group, n_groups, lambda some: [(_log_area(some) - centre[group[some]]) ** 2]
    )
    spread, doubt = np.sqrt(squares / size), np.log(1 - certain / size + _LEAST_DOUBT)
    pixels, *sums = np.broadcast_to(colour, (n_groups, 4)).T.astype(np.float64)
    seen = np.where(pixels > 0, pixels, np.nan)
    red, green, blue = (np.maximum(channel / 1000 / seen, _LEAST_DENSITY) for channel in sums)
    total = red + green + blue
    found = np.stack([np.log(total), red / total, blue / total, mean, spread, doubt], axis=1)
    return np.where(np.isfinite(found).all(axis=1, keepdims=True), found, np.nan)


@dataclass(frozen=True)
class Domain:
    """How the nuclei of the images look that a network has learnt from.

    The limits of the annotations hold where it is read: from a checkpoint or an artefact.

    Attributes
    ----------
    mean : tuple of 6 float
        Mean of each of `DESCRIPTORS` over images.
    covariance : tuple of 6 tuple of 6 float
        Their covariance.
    limit : float
        Mahalanobis distance from the mean beyond which nuclei look like none of them.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    mean: _Row
    covariance: Annotated[tuple[_Row, ...], Field(min_length=6, max_length=6)]
    limit: Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]

    def __post_init__(self) -> None:
        rows = np.array(self.covariance, np.float64)
        if rows.shape == (6, 6) and not (np.linalg.eigvalsh((rows + rows.T) / 2) > 0).all():
            raise ValueError("`covariance` must be positive definite")

    @classmethod
    def of(
        cls, found: NDArray[np.float64], weights: NDArray[np.float64], share: float = 0.95
    ) -> Self:
        """Describe a domain by the images that lie in it.

        Parameters
        ----------
        found : (N, 6) ndarray of float64
            `descriptors` of images, at least 7; without NaN.
        weights : (N,) ndarray of float64
            Weight of each image, above 0.
        share : float
            Share of the images, by weight, that lie within the limit.

        Returns
        -------
        Domain
            Its covariance can be inverted: each descriptor has a variance of 1e-4 at least. Its
            limit is at least 1.
        """
        weights = weights / weights.sum()
        mean = weights @ found
        centred = found - mean
        covariance = (weights[:, None] * centred).T @ centred + 1e-4 * np.eye(found.shape[1])
        distance = _distance(found, mean, covariance)
        order = np.argsort(distance)
        reached = np.cumsum(weights[order])
        limit = distance[order][min(int(np.searchsorted(reached, share)), len(order) - 1)]
        rows = tuple(tuple(row) for row in covariance.round(8).tolist())
        return cls(tuple(mean.round(6).tolist()), rows, round(max(1.0, float(limit)), 4))

    def distance(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """Measure how far nuclei are from all that was learnt from.

        Parameters
        ----------
        found : (G, 6) ndarray of float64
            `descriptors` of groups.

        Returns
        -------
        (G,) ndarray of float64
            Mahalanobis distance in units of `limit`: out of domain above 1. NaN where a descriptor
            is.
        """
        return _distance(found, np.array(self.mean), np.array(self.covariance)) / self.limit

    def farthest(self, found: NDArray[np.float64]) -> str:
        """Name what sets nuclei apart most.

        Parameters
        ----------
        found : (6,) ndarray of float64
            `descriptors` of one group, without NaN.

        Returns
        -------
        str
            ``stain``, ``size`` or ``certainty``: the one without which the distance would be least.
        """
        away, covariance = found - np.array(self.mean), np.array(self.covariance)
        rest: dict[str, float] = {}
        for name, own in _KINDS.items():
            kept = np.delete(np.arange(len(away)), own)
            centre = np.zeros(len(kept))
            rest[name] = float(_distance(away[None, kept], centre, covariance[kept][:, kept])[0])
        return min(rest, key=lambda name: rest[name])


def _distance(
    found: NDArray[np.float64], mean: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    away = found - mean
    return np.sqrt(np.maximum(0, (away * np.linalg.solve(covariance, away.T).T).sum(axis=1)))
