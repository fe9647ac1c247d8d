"""Instances of overlapping tiles, linked into the cases that `nucwsi.nuclei.merge` decides.

Two tiles whose maps differ see one nucleus differently. Instances of different tiles that share a
pixel are linked; a connected component of these links is a *case*. Nothing in a case overlaps
anything outside of it, so each case can be decided by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from nucwsi.grid import Window


@dataclass(frozen=True, eq=False)
class LabelledTile:
    """The instances that a segmenter sees in one tile.

    Attributes
    ----------
    window : Window
        All that was segmented, in canvas pixels.
    core : Window
        The part the tile answers for, in canvas pixels; the cores of all tiles are disjoint.
    labels : (H, W) ndarray of int
        Number of the instance at each pixel of `window`; 0 is background.

    Raises
    ------
    ValueError
        If `labels` does not have the shape of `window`.
    """

    window: Window
    core: Window
    labels: NDArray[np.integer]

    def __post_init__(self) -> None:
        if self.labels.shape != self.window.shape:
            raise ValueError(f"{self.labels.shape} labels for a {self.window.shape} window")


@dataclass(frozen=True, eq=False)
class Instance:
    """One instance, as one tile sees it.

    Attributes
    ----------
    window : Window
        Its bounding box in canvas pixels.
    mask : (H, W) ndarray of bool
        Its pixels in `window`.
    tile : LabelledTile, optional
        The tile that sees it; none if it was segmented anew.
    label : int
        Its number in the labels of that tile.
    """

    window: Window
    mask: NDArray[np.bool_]
    tile: LabelledTile | None = None
    label: int = 0

    @property
    def first_pixel(self) -> tuple[int, int]:
        """Row and column of its first pixel in raster order, in canvas pixels."""
        return self.window.row, self.window.column + int(self.mask[0].argmax())


@dataclass(frozen=True, eq=False)
class Case:
    """Instances that are linked by shared pixels, directly or through others.

    Attributes
    ----------
    members : tuple of Instance
        The instances of all tiles, cut ones too.
    window : Window
        The bounding box of all members, in canvas pixels.
    mask : (H, W) ndarray of bool
        The pixels in `window` that any member holds.
    """

    members: tuple[Instance, ...]
    window: Window
    mask: NDArray[np.bool_]

    @classmethod
    def of(cls, members: Sequence[Instance]) -> Case:
        """Unite linked instances.

        Parameters
        ----------
        members : sequence of Instance
            At least one.

        Returns
        -------
        Case
            With the union of their pixels.
        """
        if len(members) == 1:
            return cls(tuple(members), members[0].window, members[0].mask)
        windows = [member.window for member in members]
        top, left = np.min([(w.row, w.column) for w in windows], axis=0).tolist()
        low, right = np.max([(w.row_stop, w.column_stop) for w in windows], axis=0).tolist()
        window = Window(top, left, low - top, right - left)
        mask = np.zeros(window.shape, bool)
        for member in members:
            mask[member.window.within(window).slices] |= member.mask
        return cls(tuple(members), window, mask)


def instances_of(
    labels: NDArray[np.integer], window: Window, tile: LabelledTile | None = None
) -> dict[int, Instance]:
    """List the instances of a label image.

    Parameters
    ----------
    labels : (H, W) ndarray of int
        Number of the instance at each pixel of `window`; 0 is background.
    window : Window
        Where `labels` lies, in canvas pixels.
    tile : LabelledTile, optional
        The tile that sees them.

    Returns
    -------
    dict of int to Instance
        Number -> instance, ascending.
    """
    listed = {}
    for label, at in enumerate(ndimage.find_objects(labels), start=1):
        if at is not None:
            mask = labels[at] == label
            box = Window(window.row + at[0].start, window.column + at[1].start, *mask.shape)
            listed[label] = Instance(box, mask, tile, label)
    return listed


def boxes(windows: Sequence[Window]) -> Any:
    """Return windows as boxes for a spatial index.

    Parameters
    ----------
    windows : sequence of Window
        In canvas pixels.

    Returns
    -------
    (N,) ndarray of shapely.Polygon
        x and y in canvas pixels.
    """
    corners = [(w.column, w.row, w.column_stop, w.row_stop) for w in windows]
    return shapely.box(*np.array(corners, float).reshape(-1, 4).T)


def in_order(tiles: Sequence[LabelledTile]) -> list[LabelledTile]:
    """Sort tiles by the raster order of their cores, so that the order given is irrelevant.

    Parameters
    ----------
    tiles : sequence of LabelledTile
        In any order.

    Returns
    -------
    list of LabelledTile
        The same tiles.
    """
    return sorted(tiles, key=lambda tile: (tile.core.row, tile.core.column))


def link(tiles: Sequence[LabelledTile]) -> list[Case]:
    """Link the instances of tiles that share pixels.

    Parameters
    ----------
    tiles : sequence of LabelledTile
        In any order.

    Returns
    -------
    list of Case
        Each instance of each tile is a member of exactly one.
    """
    tiles = in_order(tiles)
    nodes: list[Instance] = []
    number: list[dict[int, int]] = []
    for tile in tiles:
        instances = instances_of(tile.labels, tile.window, tile)
        number.append({label: len(nodes) + rank for rank, label in enumerate(instances)})
        nodes += instances.values()
    areas = boxes([tile.window for tile in tiles])
    links = [
        (number[one][first], number[other][second])
        for one, other in shapely.STRtree(areas).query(areas, predicate="intersects").T.tolist()
        if one < other
        for first, second in _sharing(tiles[one], tiles[other])
    ]
    rows, columns = np.array(links, np.int64).reshape(-1, 2).T
    graph = sparse.coo_array((np.ones(len(links)), (rows, columns)), shape=(len(nodes),) * 2)
    n_cases, case_of = connected_components(graph, directed=False)
    members: list[list[Instance]] = [[] for _ in range(n_cases)]
    for node, case in zip(nodes, case_of, strict=True):
        members[case].append(node)
    return [Case.of(linked) for linked in members]


def _sharing(one: LabelledTile, other: LabelledTile) -> list[tuple[int, int]]:
    """List the pairs of labels that share a pixel, one of each tile."""
    common = one.window.intersection(other.window)
    if common is None:  # they only touch
        return []
    first = one.labels[common.within(one.window).slices]
    second = other.labels[common.within(other.window).slices]
    both = (first > 0) & (second > 0)
    # Each pair as one number, because sorting rows of pairs is far slower.
    keys = np.unique(first[both].astype(np.int64) << 32 | second[both])
    return list(zip((keys >> 32).tolist(), (keys & 0xFFFFFFFF).tolist(), strict=True))
