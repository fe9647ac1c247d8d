"""Connected components of a mask that is seen one core at a time.

Most components lie within a core and its margin, and whoever works on that core sees them whole.
The others are found here, by one pass in raster order that joins what touches across the faces of
cores and remembers only what can still grow: one row of cores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import TileGrid, Window
from nucwsi.nuclei.pixels import connected

#: A piece of a component: row and column of its core in the grid, and its label there.
CorePiece = tuple[int, int, int]


@dataclass(frozen=True)
class Component:
    """A connected component that crosses the border of a core.

    Attributes
    ----------
    box : Window
        Smallest window that holds it, on the canvas.
    first : (int, int)
        Row and column of its first pixel in raster order, on the canvas.
    pieces : tuple of CorePiece
        What each core sees of it.
    """

    box: Window
    first: tuple[int, int]
    pieces: tuple[CorePiece, ...]


@dataclass
class _Growing:
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
    """Union-find whose roots carry what is known of their component."""

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
        """Forget every component but the living roots, and return the forgotten."""
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
    cores : iterable of ((int, int), (H, W) ndarray of bool)
        Grid position and mask of each core, in raster order. Blank cores may be left out.

    Yields
    ------
    Component
        Each once, as soon as it cannot grow any more.
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
    """Add the pieces of a core that touch another core; return label -> node, and the labels."""
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
    chosen = np.zeros(count, bool)
    chosen[outgoing - 1] = True
    found = pixels.only(chosen)
    row, column = np.divmod(found.first(len(outgoing)), core.width)
    first = zip((row + core.row).tolist(), (column + core.column).tolist(), strict=True)
    box = found.boxes(len(outgoing)) + np.array([core.row, core.column] * 2)
    nodes = np.zeros(count + 1, np.int64)
    for label, (top, left, low, right), at in zip(
        outgoing.tolist(), box.tolist(), first, strict=True
    ):
        nodes[label] = forest.add(_Growing(top, left, low, right, at, [(*position, label)]))
    return nodes, labels


def _row_ended(forest: _Forest, frontier: NDArray[np.int64]) -> Iterator[Component]:
    """Yield what does not reach the frontier, and renumber the frontier to the living roots."""
    nodes, where = np.unique(frontier, return_inverse=True)
    roots = np.array([forest.root(node) if node else 0 for node in nodes.tolist()], np.int64)
    frontier[:] = roots[where]
    for grown in forest.retire(set(roots[roots > 0].tolist())):
        yield grown.finished()
