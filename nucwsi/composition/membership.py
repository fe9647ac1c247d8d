"""Which nuclei belong to which groups, such as regions, in little memory.

A large slide has a million nuclei, each of which lies in several regions. What is made of a group
follows from its own nuclei alone, so it is made of a few groups at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: Nuclei of groups that are looked at together; it bounds the memory, and changes no result.
_AT_ONCE = 1 << 14

#: Makes arrays (..., G) of G groups, given the group of each of M nuclei, (M,), counted from 0; the
#: indices of the nuclei, (M,); and G.
Maker: TypeAlias = Callable[[NDArray[np.int32], NDArray[np.int32], int], Iterable[NDArray[Any]]]


class Membership(NamedTuple):
    """Which nuclei G groups hold. A nucleus may be in several groups, or in none.

    Attributes
    ----------
    start : (G + 1,) ndarray of int64
        Where the nuclei of each group begin in `nuclei`, and where the last end.
    nuclei : (K,) ndarray of int32
        Indices of the nuclei, group by group.

    Examples
    --------
    >>> pairs = np.array([[0, 0, 2], [3, 4, 4]])
    >>> membership = Membership.of([pairs], 3)
    >>> membership.start, membership.nuclei
    (array([0, 2, 2, 3]), array([3, 4, 4], dtype=int32))
    """

    start: NDArray[np.int64]
    nuclei: NDArray[np.int32]

    @classmethod
    def of(cls, pairs: Iterable[NDArray[np.integer]], n_groups: int) -> Self:
        """Arrange pairs of a group and a nucleus by group.

        Parameters
        ----------
        pairs : iterable of (2, M) ndarray of int
            Index of a group, and index of a nucleus in it, ordered by group; from
            `regions.owned_nuclei` of some nuclei after the other.
        n_groups : int
            Number of groups G; some may hold no nucleus.

        Returns
        -------
        Membership
            The nuclei of a group are in the order of `pairs`.
        """
        size = np.zeros(n_groups, np.int64)
        runs = []
        for group, members in pairs:
            own, length = np.unique(group, return_counts=True)
            size[own] += length
            runs.append((own, length, members.astype(np.int32)))
        start = np.concatenate([[0], np.cumsum(size)])
        free, nuclei = start[:-1].copy(), np.empty(start[-1], np.int32)
        for own, length, members in runs:
            shift = free[own] - (np.cumsum(length) - length)
            nuclei[np.repeat(shift, length) + np.arange(len(members))] = members
            free[own] += length
        return cls(start, nuclei)

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.start) - 1

    @property
    def size(self) -> NDArray[np.int64]:
        """Nuclei of each group, (G,)."""
        return np.diff(self.start)

    def of_group(self, group: int) -> NDArray[np.int32]:
        """Return the nuclei of one group.

        Parameters
        ----------
        group : int
            Its index.

        Returns
        -------
        (M,) ndarray of int32
            Indices of its nuclei.
        """
        return self.nuclei[self.start[group] : self.start[group + 1]]

    def of_groups(self, chosen: NDArray[np.intp]) -> Membership:
        """Return some groups alone.

        Parameters
        ----------
        chosen : (H,) ndarray of int
            Their indices.

        Returns
        -------
        Membership
            Of H groups, in the order of `chosen`.
        """
        parts = [np.empty(0, np.int32), *map(self.of_group, chosen.tolist())]
        return Membership(np.cumsum([0, *self.size[chosen]]), np.concatenate(parts))

    def by_group(self, made: Maker) -> list[NDArray[Any]]:
        """Make something of all groups, a few at a time.

        Parameters
        ----------
        made : callable
            What it makes of a group must not depend on the others that it is given.

        Returns
        -------
        list of (..., G) ndarray
            What it makes of each group.
        """
        parts = [made(*block) for block in self._blocks()]
        return [np.concatenate(each, axis=-1) for each in zip(*parts, strict=True)]

    def _blocks(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], int]]:
        """Yield groups in succession as a `Maker` takes them; at least once."""
        first, stop = 0, -1
        while stop < self.n_groups:
            full = np.searchsorted(self.start, self.start[first] + _AT_ONCE, "right") - 1
            stop = min(max(first + 1, int(full)), self.n_groups)
            n_groups, nuclei = stop - first, self.nuclei[self.start[first] : self.start[stop]]
            # Of a single group, which may be large, a view that takes no memory.
            group = np.broadcast_to(np.int32(0), len(nuclei))
            if n_groups > 1:
                size = np.diff(self.start[first : stop + 1])
                group = np.repeat(np.arange(n_groups, dtype=np.int32), size)
            yield group, nuclei, n_groups
            first = stop
