"""Merges instances of overlapping tiles whose maps depend on the tile.

The default network is local: its maps are put together first, and nothing needs merging. Others
see one nucleus differently in two tiles. No rule about borders or centroids reconciles that
without losing some and doubling others. What does:

1. An instance that touches a border of its tile (not of the canvas) is *cut*: evidence that
   something is there, and never part of the result.
2. Instances of different tiles that share a pixel are linked, cut ones too. A connected component
   of these links is one case: nothing in it overlaps anything outside of it.
3. Each case is decided as a whole by one tile: of those whose window holds it clear of its
   borders, the one whose core holds most of it. What that tile found there is the result.
4. Where no tile sees the whole case, a window around it is segmented anew, and grown as long as
   what is found there is cut.

The order of the tiles is irrelevant; their size is not: only local maps can give that. The notion
of a responsible tile is that of StarDist's blocks (Weigert et al., WACV 2020), without the two
assumptions that objects are smaller than the overlap and that tiles agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from nucwsi.grid import Window

Resegment: TypeAlias = Callable[[Window], NDArray[np.integer]]

#: Grown around a case that is segmented anew; doubled as long as need be.
_MARGIN_PX = 32


@dataclass(frozen=True, eq=False)
class LabelledTile:
    """What a segmenter found in one tile.

    Attributes
    ----------
    window : Window
        All that was segmented, in canvas pixels.
    core : Window
        The part the tile answers for; the cores of all tiles are disjoint.
    labels : (height, width) ndarray of int
        Instances in `window`; 0 is background.
    """

    window: Window
    core: Window
    labels: NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Piece:
    """One instance.

    Attributes
    ----------
    window : Window
        Its bounding box in canvas pixels.
    mask : (height, width) ndarray of bool
        Its pixels in `window`.
    tile : LabelledTile, optional
        Which found it; none if it was segmented anew.
    label : int
        Its number in the labels of that tile.
    """

    window: Window
    mask: NDArray[np.bool_]
    tile: LabelledTile | None = None
    label: int = 0

    @property
    def first_pixel(self) -> tuple[int, int]:
        """Row and column of its first pixel in raster order."""
        return self.window.row, self.window.column + int(self.mask[0].argmax())


_FIRST_PIXEL = attrgetter("first_pixel")


@dataclass(frozen=True)
class Merged:
    """The answer of `merge`.

    Attributes
    ----------
    pieces : list of Piece
        Each instance once, ordered by first pixel; no two share a pixel.
    escalated : list of Window
        What was segmented anew; without a way to do so, the bounds of what still should be.
    """

    pieces: list[Piece]
    escalated: list[Window]


def merge(
    tiles: Sequence[LabelledTile], canvas: Window, resegment: Resegment | None = None
) -> Merged:
    """Merge the instances of overlapping tiles, none lost and none twice.

    Parameters
    ----------
    tiles : sequence of LabelledTile
        In any order.
    canvas : Window
        All there is; an instance at its border is whole.
    resegment : callable, optional
        Segments a window of the canvas and returns its labels. Without it the cases that no
        tile sees whole are missing from `pieces` and listed in `escalated`.

    Returns
    -------
    Merged

    Raises
    ------
    ValueError
        If the labels of a tile do not fit its window.
    """
    for tile in tiles:
        if tile.labels.shape != tile.window.shape:
            raise ValueError(f"{tile.labels.shape} labels for a {tile.window.shape} window")
    ordered = sorted(tiles, key=lambda tile: (tile.core.row, tile.core.column))
    cases = _cases(ordered)
    wholes = [_united([piece for _, piece in members]) for members in cases]
    judges = _judges(ordered, wholes, canvas)
    settled: list[Piece] = []
    for members, judge in zip(cases, judges, strict=True):
        settled += [piece for tile, piece in members if tile == judge]
    pending = [case for case, judge in zip(wholes, judges, strict=True) if judge < 0]
    windows = [case.window for case in pending]
    if resegment is not None:
        windows = [_redo(case, settled, canvas, resegment) for case in pending]
    return Merged(sorted(settled, key=_FIRST_PIXEL), windows)


def _pieces(
    labels: NDArray[np.integer], window: Window, tile: LabelledTile | None = None
) -> dict[int, Piece]:
    found = {}
    for label, at in enumerate(ndimage.find_objects(labels), start=1):
        if at is not None:
            place = Window(window.row + at[0].start, window.column + at[1].start, *labels[at].shape)
            found[label] = Piece(place, labels[at] == label, tile, label)
    return found


def _cases(tiles: list[LabelledTile]) -> list[list[tuple[int, Piece]]]:
    # Connected components of the instances, linked where two tiles' share a pixel.
    nodes: list[tuple[int, Piece]] = []
    number: list[dict[int, int]] = []
    for index, tile in enumerate(tiles):
        found = _pieces(tile.labels, tile.window, tile)
        number.append({label: len(nodes) + rank for rank, label in enumerate(found)})
        nodes += [(index, piece) for piece in found.values()]
    boxes = _boxes([tile.window for tile in tiles])
    links = [
        (number[one][first], number[other][second])
        for one, other in shapely.STRtree(boxes).query(boxes, predicate="intersects").T.tolist()
        if one < other
        for first, second in _shared(tiles[one], tiles[other])
    ]
    rows, columns = np.array(links, np.int64).reshape(-1, 2).T
    graph = sparse.coo_array((np.ones(len(links)), (rows, columns)), shape=(len(nodes),) * 2)
    n_cases, case_of = connected_components(graph, directed=False)
    cases: list[list[tuple[int, Piece]]] = [[] for _ in range(n_cases)]
    for node, case in zip(nodes, case_of, strict=True):
        cases[case].append(node)
    return cases


def _boxes(windows: list[Window]) -> Any:
    corners = [(w.column, w.row, w.column_stop, w.row_stop) for w in windows]
    return shapely.box(*np.array(corners, float).reshape(-1, 4).T)


def _shared(one: LabelledTile, other: LabelledTile) -> list[tuple[int, int]]:
    common = one.window.intersection(other.window)
    if common is None:  # they only touch
        return []
    first = one.labels[common.within(one.window).slices]
    second = other.labels[common.within(other.window).slices]
    both = (first > 0) & (second > 0)
    # One number a pair: rows of pairs would be sorted far slower.
    keys = np.unique(first[both].astype(np.int64) << 32 | second[both])
    return list(zip((keys >> 32).tolist(), (keys & 0xFFFFFFFF).tolist(), strict=True))


def _united(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    top, left = np.min([(p.window.row, p.window.column) for p in pieces], axis=0).tolist()
    low, right = np.max([(p.window.row_stop, p.window.column_stop) for p in pieces], 0).tolist()
    window = Window(top, left, low - top, right - left)
    mask = np.zeros(window.shape, bool)
    for piece in pieces:
        mask[piece.window.within(window).slices] |= piece.mask
    return Piece(window, mask)


def _clear(inner: Window, outer: Window, canvas: Window) -> bool:
    # True if `outer` holds `inner` without a touch, other than of the border of the canvas.
    return (
        (inner.row > outer.row or outer.row <= canvas.row)
        and (inner.column > outer.column or outer.column <= canvas.column)
        and (inner.row_stop < outer.row_stop or outer.row_stop >= canvas.row_stop)
        and (inner.column_stop < outer.column_stop or outer.column_stop >= canvas.column_stop)
    )


def _judges(tiles: list[LabelledTile], cases: list[Piece], canvas: Window) -> list[int]:
    # For each case the tile that sees it whole and owns most of it, or -1.
    judges, most = [-1] * len(cases), [-1] * len(cases)
    tree = shapely.STRtree(_boxes([tile.window for tile in tiles]))
    seen = tree.query(_boxes([case.window for case in cases]), predicate="covered_by")
    for index, number in sorted(seen.T.tolist()):
        case, tile = cases[index], tiles[number]
        if _clear(case.window, tile.window, canvas):
            owned = tile.core.intersection(case.window)
            share = int(case.mask[owned.within(case.window).slices].sum()) if owned else 0
            if share > most[index]:
                judges[index], most[index] = number, share
    return judges


def _redo(case: Piece, settled: list[Piece], canvas: Window, resegment: Resegment) -> Window:
    # Segment a case anew and add what is found to `settled`.
    margin_px = _MARGIN_PX
    while True:
        window = case.window.grown(margin_px).intersection(canvas) or case.window
        labels = np.array(resegment(window))
        hit = np.unique(labels[case.window.within(window).slices][case.mask])
        pieces = _pieces(np.where(np.isin(labels, hit), labels, 0), window)
        if all(_clear(p.window, window, canvas) for p in pieces.values()):
            break
        margin_px *= 2
    taken = np.zeros(window.shape, bool)
    for piece in settled:
        if common := piece.window.intersection(window):
            taken[common.within(window).slices] |= piece.mask[common.within(piece.window).slices]
    for piece in pieces.values():
        free = piece.mask & ~taken[piece.window.within(window).slices]
        # Mostly taken: another case has it already, seen a little differently.
        if 2 * free.sum() > piece.mask.sum():
            settled += _pieces(free.astype(np.uint8), piece.window).values()
    return window
