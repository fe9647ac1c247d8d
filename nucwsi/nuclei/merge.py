"""Merges the instances of overlapping tiles whose maps depend on the tile.

The default network is local: its maps are joined first, and nothing needs merging. Other networks
see one nucleus differently in two tiles. No rule about borders or centroids reconciles that
without losing some nuclei and doubling others. This does:

1. An instance that touches a border of its tile (not of the canvas) is *cut*: evidence that
   something is there, and never part of the result.
2. Instances of different tiles that share a pixel are linked into *cases* (`nucwsi.nuclei.cases`),
   cut ones too.
3. One tile, its *judge*, decides a case as a whole: of the tiles whose window holds the case clear
   of its borders, the one whose core holds most of it. The instances of the judge are the result.
4. Where no tile sees the whole case, a window around it is segmented anew, and grown as long as an
   instance of the case is cut there.

The order of the tiles is irrelevant; their size is not: only local maps can give that. The notion
of a responsible tile is that of StarDist's blocks (Weigert et al., WACV 2020), without the two
assumptions that objects are smaller than the overlap and that tiles agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.grid import Window
from nucwsi.nuclei.cases import Case, Instance, LabelledTile, boxes, in_order, instances_of

#: Takes a window in canvas pixels; returns the labels of its instances, (H, W), 0 is background.
Resegment: TypeAlias = Callable[[Window], NDArray[np.integer]]

#: Margin in canvas pixels around a case that is segmented anew; doubled as long as need be.
_MARGIN_PX = 32


def merge(
    tiles: Sequence[LabelledTile], cases: Sequence[Case], canvas: Window, resegment: Resegment
) -> list[Instance]:
    """Merge the instances of overlapping tiles, none lost and none twice.

    Parameters
    ----------
    tiles : sequence of LabelledTile
        In any order.
    cases : sequence of Case
        Their instances, as `nucwsi.nuclei.cases.link` links them.
    canvas : Window
        The whole canvas; an instance at its border is not cut.
    resegment : callable
        Segments a window of the canvas anew, for the cases that no tile sees whole.

    Returns
    -------
    list of Instance
        Those of the judges, and those that were segmented anew, ordered by first pixel; no two
        share a pixel.
    """
    judges = _judges(in_order(tiles), cases, canvas)
    settled = [
        member
        for case, judge in zip(cases, judges, strict=True)
        for member in case.members
        if judge is not None and member.tile is judge
    ]
    for case, judge in zip(cases, judges, strict=True):
        if judge is None:
            settled += _redone(case, settled, canvas, resegment)
    return sorted(settled, key=attrgetter("first_pixel"))


def _clear(inner: Window, outer: Window, canvas: Window) -> bool:
    """Return whether a window holds another and touches none of its borders but the canvas'."""
    return (
        (inner.row > outer.row or outer.row <= canvas.row)
        and (inner.column > outer.column or outer.column <= canvas.column)
        and (inner.row_stop < outer.row_stop or outer.row_stop >= canvas.row_stop)
        and (inner.column_stop < outer.column_stop or outer.column_stop >= canvas.column_stop)
    )


def _judges(
    tiles: list[LabelledTile], cases: Sequence[Case], canvas: Window
) -> list[LabelledTile | None]:
    """Return for each case the tile that sees it whole and owns most of it, or None.

    Of tiles that own equally much, the first in order is the judge.
    """
    judges: list[LabelledTile | None] = [None] * len(cases)
    most = [-1] * len(cases)
    tree = shapely.STRtree(boxes([tile.window for tile in tiles]))
    holding = tree.query(boxes([case.window for case in cases]), predicate="covered_by")
    for index, number in sorted(holding.T.tolist()):
        case, tile = cases[index], tiles[number]
        if _clear(case.window, tile.window, canvas):
            owned = tile.core.intersection(case.window)
            share = int(case.mask[owned.within(case.window).slices].sum()) if owned else 0
            if share > most[index]:
                judges[index], most[index] = tile, share
    return judges


def _redone(
    case: Case, settled: list[Instance], canvas: Window, resegment: Resegment
) -> list[Instance]:
    """Segment a case anew, and return its instances without the pixels of those settled."""
    margin_px = _MARGIN_PX
    while True:
        window = case.window.grown(margin_px).intersection(canvas) or case.window
        labels = np.array(resegment(window))
        hit = np.unique(labels[case.window.within(window).slices][case.mask])
        anew = instances_of(np.where(np.isin(labels, hit), labels, 0), window).values()
        if all(_clear(instance.window, window, canvas) for instance in anew):
            break
        margin_px *= 2
    taken = np.zeros(window.shape, bool)
    for instance in settled:
        if common := instance.window.intersection(window):
            in_mask = instance.mask[common.within(instance.window).slices]
            taken[common.within(window).slices] |= in_mask
    added: list[Instance] = []
    for instance in anew:
        free = instance.mask & ~taken[instance.window.within(window).slices]
        # Mostly taken: it belongs to another case, too, and is settled there.
        if 2 * free.sum() > instance.mask.sum():
            added += instances_of(free.astype(np.uint8), instance.window).values()
    return added
