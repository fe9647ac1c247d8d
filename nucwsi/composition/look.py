"""Whether the nuclei of regions look as those that the networks have learnt from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.membership import Membership
from nucwsi.nuclei.domain import Domain, descriptors


class Look(NamedTuple):
    """What is known of how N nuclei look, and how they ought to.

    Attributes
    ----------
    domain : Domain
        How the nuclei look that the networks have learnt from.
    colour : tuple of 4 int
        `domain.colour_sums` of the slide.
    certainty : (N,) ndarray of float
        Probability that each nucleus is of its most probable class, according to the networks.
    """

    domain: Domain
    colour: tuple[int, int, int, int]
    certainty: NDArray[np.floating]


def describe(
    membership: Membership, look: Look, area_um2: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Describe how the nuclei of each group look, as `domain.descriptors`.

    Parameters
    ----------
    membership : Membership
        Which of N nuclei each of G groups holds.
    look : Look
        Of the nuclei.
    area_um2 : (N,) ndarray of float
        Their areas.

    Returns
    -------
    (G, 6) ndarray of float64
        NaN for a group of too few nuclei.
    """
    colour = np.array(look.colour, np.int64)
    [found] = membership.by_group(
        lambda group, own, n_groups: [
            descriptors(group, area_um2[own], look.certainty[own], n_groups, colour).T
        ]
    )
    return found.T


def stretch_of(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by what factor errors are assumed to be larger than in the images of a domain.

    Parameters
    ----------
    distance : (G,) ndarray of float64
        `Domain.distance` of groups; NaN where it is not known.

    Returns
    -------
    (G,) ndarray of float64
        1 within the domain and where nothing is known, else the distance.
    """
    return np.maximum(1.0, np.nan_to_num(distance, nan=1.0))


def warning_of(look: Look, found: NDArray[np.float64]) -> str | None:
    """Say that a slide is out of domain.

    Parameters
    ----------
    look : Look
        Of its nuclei.
    found : (6,) ndarray of float64
        `describe` of all of them together; NaN where they are too few.

    Returns
    -------
    str or None
        One line for the user; None within the domain and where nothing is known.
    """
    [distance] = look.domain.distance(found[None])
    if not distance > 1:
        return None
    return (
        f"out of domain: its nuclei lie {distance:.1f} times as far from those that the networks"
        f" have learnt from as 95 % of these do, above all in {look.domain.farthest(found)};"
        " intervals are widened as much, and classes should be looked at"
    )
