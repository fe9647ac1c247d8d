"""Connected components of a mask that is read one core at a time.

A component that lies within a core and its margin is seen whole by whoever works on that core. The
others are found here, in one pass over the cores in raster order. The pass joins pieces that touch
across the border of two cores, and forgets a component as soon as it cannot grow any more, so that
memory is bounded by one row of cores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import TileGrid, Window
from nucwsi.nuclei.pixels import connected

#: The part of a component in one core: row and column of the core in the grid, and the label of the
#: part, as `connected` numbers the mask of the core.
CorePiece = tuple[int, int, int]


@dataclass(frozen=True)
class Component:
    """A 4-connected component that reaches the border of a core.

    Attributes
    ----------
    box : Window
        Smallest window that holds it, in canvas pixels.
    first : (int, int)
        Row and column of its first pixel in raster order, in canvas pixels.
    pieces : tuple of CorePiece
        Its parts, one or more for each core that it crosses, ascending.
    """

    box: Window
    first: tuple[int, int]
    pieces: tuple[CorePiece, ...]


@dataclass
class _Growing:
    """A component of which all pixels so far are known; fields as in `Component`."""

    row: int
    column: int
    row_stop: int
    column_stop: int
    first: tuple[int, int]
    pieces: list[CorePiece]

    def absorb(self, other: _Growing) -> None:
        self.row, self.column = min(self.row, other.row), min(self.column, other.column)
        self.row_stop = max(self.row_stop, other.row_stop)
        self.column_stop = max(self.column_stop, other.column_stop)
        self.first = min(self.first, other.first)
        self.pieces += other.pieces

    def finished(self) -> Component:
        height, width = self.row_stop - self.row, self.column_stop - self.column
        box = Window(self.row, self.column, height, width)
        return Component(box, self.first, tuple(sorted(self.pieces)))


class _Forest:
    """Union-find of pieces (nodes, numbered from 1), whose roots carry their component so far."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._grown: dict[int, _Growing] = {}
        self._next = 1

    def add(self, grown: _Growing) -> int:
        node, self._next = self._next, self._next + 1
        self._parent[node] = node
        self._grown[node] = grown
        return node

    def root(self, node: int) -> int:
        """Return the root of a node, and halve the way to it."""
        while self._parent[node] != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node

    def join(self, one: int, other: int) -> None:
        one, other = self.root(one), self.root(other)
        if one == other:
            return
        if len(self._grown[one].pieces) < len(self._grown[other].pieces):
            one, other = other, one
        self._parent[other] = one
        self._grown[one].absorb(self._grown.pop(other))

    def retire(self, living: set[int]) -> list[_Growing]:
        """Forget every component whose root is not living, and return those forgotten."""
        ended = [grown for node, grown in self._grown.items() if node not in living]
        self._grown = {node: grown for node, grown in self._grown.items() if node in living}
        self._parent = {node: node for node in living}
        return ended


def crossing_components(
    grid: TileGrid, cores: Iterable[tuple[tuple[int, int], NDArray[np.bool_]]]
) -> Iterator[Component]:
    """Find the components that cross a border between cores.

    Parameters
    ----------
    grid : TileGrid
        The canvas cut into cores.
    cores : iterable of ((int, int), (H, W) ndarray of bool)
        Grid position and mask of each core, in raster order. Blank cores may be left out.

    Yields
    ------
    Component
        Each once, as soon as it cannot grow any more. One that touches the border of its core but
        does not cross it may be among them.

    References
    ----------
    Union-find with path halving: Tarjan and van Leeuwen, Journal of the ACM 31 (1984).

    Examples
    --------
    Two cores of three columns. The upper component crosses the border; the lower one does not even
    touch it::

        . . #|# . .
        . . .|# . .
        # # .|. . .

    >>> mask = np.array([[0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 0, 0], [1, 1, 0, 0, 0, 0]], bool)
    >>> grid = TileGrid((3, 6), 3)
    >>> cores = (((0, 0), mask[:, :3]), ((0, 1), mask[:, 3:]))
    >>> [component] = crossing_components(grid, cores)
    >>> component.box
    Window(row=0, column=2, height=2, width=2)
    >>> component.first, component.pieces  # the first label of either core
    ((0, 2), ((0, 0, 1), (0, 1, 1)))
    """
    forest = _Forest()
    above = np.zeros(grid.shape[1], np.int64)
    below = np.zeros_like(above)
    beside = np.zeros(grid.core_px, np.int64)
    at = (0, -1)
    for position, mask in cores:
        if position[0] != at[0]:
            yield from _row_ended(forest, below)
            # A blank row between the two leaves nothing to join.
            above = below if position[0] == at[0] + 1 else np.zeros_like(above)
            below = np.zeros_like(above)
        if position != (at[0], at[1] + 1):
            beside = np.zeros(grid.core_px, np.int64)
        at = position
        core = grid.core(*position)
        columns = core.slices[1]
        nodes, labels = _plant(forest, core, position, mask, grid)
        faces = ((nodes[labels[0]], above[columns]), (nodes[labels[:, 0]], beside[: core.height]))
        for here, there in faces:
            touching = (here > 0) & (there > 0)
            for one, other in np.unique(np.column_stack([here, there])[touching], axis=0).tolist():
                forest.join(one, other)
        below[columns] = nodes[labels[-1]]
        beside = np.zeros(grid.core_px, np.int64)
        beside[: core.height] = nodes[labels[:, -1]]
    yield from _row_ended(forest, np.zeros_like(below))


def _plant(
    forest: _Forest,
    core: Window,
    position: tuple[int, int],
    mask: NDArray[np.bool_],
    grid: TileGrid,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Add the pieces of a core that touch another core.

    Returns the node of each label (0 for one that stays within the core), and the labels, (H, W).
    """
    pixels, count = connected(mask)
    labels = pixels.image()
    faces = [
        labels[0] if core.row > 0 else labels[0, :0],
        labels[-1] if core.row_stop < grid.shape[0] else labels[0, :0],
        labels[:, 0] if core.column > 0 else labels[0, :0],
        labels[:, -1] if core.column_stop < grid.shape[1] else labels[0, :0],
    ]
    outgoing = np.unique(np.concatenate(faces))
    outgoing = outgoing[outgoing > 0]
    is_outgoing = np.zeros(count, bool)
    is_outgoing[outgoing - 1] = True
    pieces = pixels.only(is_outgoing)
    row, column = np.divmod(pieces.first(len(outgoing)), core.width)
    first = zip((row + core.row).tolist(), (column + core.column).tolist(), strict=True)
    box = pieces.boxes(len(outgoing)) + np.array([core.row, core.column] * 2)
    nodes = np.zeros(count + 1, np.int64)
    for label, (top, left, low, right), at in zip(
        outgoing.tolist(), box.tolist(), first, strict=True
    ):
        nodes[label] = forest.add(_Growing(top, left, low, right, at, [(*position, label)]))
    return nodes, labels


def _row_ended(forest: _Forest, frontier: NDArray[np.int64]) -> Iterator[Component]:
    """Yield the components that do not reach the frontier: no core below can add to them.

    `frontier` holds the node of each pixel in the last row of the cores, (W,), 0 for background. It
    is changed in place to the roots of these nodes.
    """
    nodes, where = np.unique(frontier, return_inverse=True)
    roots = np.array([forest.root(node) if node else 0 for node in nodes.tolist()], np.int64)
    frontier[:] = roots[where]
    for grown in forest.retire(set(roots[roots > 0].tolist())):
        yield grown.finished()
