"""`features`: what each nucleus of a slide looks like, in numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.errors import StoreError
from nucwsi.facts import LONGEST_PX, SlideFacts
from nucwsi.features import network, nucleus, surroundings
from nucwsi.features.cells import reach
from nucwsi.grid import Frame, Window
from nucwsi.io.nuclei.arrow import to_bytes, to_numpy
from nucwsi.io.nuclei.columns import network_columns
from nucwsi.io.nuclei.features import Described, places_digest, write_features
from nucwsi.io.nuclei.parquet import iter_batches, read_facts
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.io.outputs import check_outputs
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.identity import check_slide
from nucwsi.io.slides.slide import open_slide
from nucwsi.nuclei.polygons import level0_to_canvas
from nucwsi.runtime.progress import progress

log = logging.getLogger(__name__)

#: Side of the squares in which a slide is read, in pixels at `nucleus.MPP`.
_SQUARE_PX = 1024


class SlideNuclei(NamedTuple):
    """The nuclei of a slide, open for their features to be measured.

    Attributes
    ----------
    path : pathlib.Path
        ``nuclei.parquet``.
    facts : SlideFacts
        Those of the table.
    digest : str
        `places_digest` of the table.
    surroundings : Surroundings
        Of all its nuclei.
    """

    path: Path
    facts: SlideFacts
    digest: str
    surroundings: surroundings.Surroundings

    @property
    def shares(self) -> list[str]:
        """Columns of the probabilities of the networks' classes."""
        if self.facts.taught is None:
            return [f"p_{name}" for name in self.facts.classes]
        return network_columns(self.facts.network_classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all features."""
        return names_of(self.facts.network_classes)


def names_of(network_classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of all features, in the order in which they are measured.

    Parameters
    ----------
    network_classes : tuple of str
        Classes of the networks.

    Returns
    -------
    tuple of str
        Those of pixels and outlines, of surroundings, and of what the networks said.
    """
    return (*nucleus.NAMES, *surroundings.NAMES, *network.names(network_classes))


def read_nuclei(path: Path) -> SlideNuclei:
    """Read what the features of a nucleus need of all the others.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``.

    Returns
    -------
    SlideNuclei
        Of N nuclei.

    Raises
    ------
    StoreError
        If the table is missing or damaged.
    """
    facts = read_facts(path)
    place = ("id", "row", "column")
    table = read_columns(path, [*place, "area_um2", "circularity", "solidity"])
    points_um = np.column_stack([table["row"], table["column"]]) * facts.frame.level0_mpp
    shape = (table[name] for name in ("area_um2", "circularity", "solidity"))
    digest = places_digest(*(table[name] for name in place))
    return SlideNuclei(path, facts, digest, surroundings.Surroundings(points_um, *shape))


def feature_frame(frame: Frame) -> Frame:
    """Lay a canvas of the resolution of features over the canvas of a slide.

    Parameters
    ----------
    frame : Frame
        Of the nuclei.

    Returns
    -------
    Frame
        Of `nucleus.MPP`, with the same origin; it covers the other.
    """
    shape = tuple(int(np.ceil(side * frame.mpp / nucleus.MPP - 1e-6)) for side in frame.shape)
    return Frame(
        (max(1, shape[0]), max(1, shape[1])),
        nucleus.MPP,
        frame.level0_mpp,
        frame.origin_px,
        frame.level0_shape,
    )


@contextmanager
def measuring(
    slide: Path, nuclei: SlideNuclei, threads: int = 1
) -> Iterator[Callable[[NDArray[np.bool_] | None], Iterator[Described]]]:
    """Open a slide to measure features of its nuclei.

    Parameters
    ----------
    slide : pathlib.Path
        The slide.
    nuclei : SlideNuclei
        Its nuclei.
    threads : int
        Squares that are worked on at once.

    Yields
    ------
    callable
        Takes the N nuclei that are wanted, as truth values, or None for all; yields their features
        in the order of the table, all of `SlideNuclei.names`.

    Raises
    ------
    SlideError
        If the slide cannot be read.
    StoreError
        If the slide is another one.
    """
    facts = nuclei.facts
    check_slide(slide, facts.slide_checksum, nuclei.path)
    with (
        open_slide(slide, facts.scene or None) as opened,
        ThreadPoolExecutor(threads) as pool,
    ):
        canvas = SlideCanvas(opened, feature_frame(facts.frame))

        def measured(wanted: NDArray[np.bool_] | None = None) -> Iterator[Described]:
            columns = ["id", "geometry", "np_mean", *nuclei.shares]
            first = 0
            for batch in iter_batches(nuclei.path, columns):
                rows = np.arange(first, first + len(batch))
                first += len(batch)
                chosen = np.arange(len(batch)) if wanted is None else np.flatnonzero(wanted[rows])
                if len(chosen):
                    outlines = shapely.from_wkb(to_bytes(batch.column("geometry"))[chosen])
                    _check_outlines(outlines, nuclei.path)
                    seen = _seen(canvas, outlines, pool)
                    around = nuclei.surroundings.features(rows[chosen])
                    said = _said(batch, nuclei.shares)[chosen]
                    ident = to_numpy(batch.column("id"))[chosen]
                    yield Described(ident, np.concatenate([seen, around, said], axis=1))

        yield measured


def _said(batch: Any, shares: list[str]) -> NDArray[np.float32]:
    probabilities = np.column_stack([to_numpy(batch.column(name)) for name in shares])
    return network.network_features(probabilities, to_numpy(batch.column("np_mean")))


def _check_outlines(outlines: NDArray[np.object_], path: Path) -> None:
    """Refuse outlines (N,) of a damaged table, in level-0 pixels, that can be on no slide."""
    if not (np.abs(shapely.get_coordinates(outlines)) < LONGEST_PX).all():
        raise StoreError(
            f"{path}: a nucleus has an outline that can be on no slide; make it with"
            " `nucwsi stitch`"
        )


def _seen(
    canvas: SlideCanvas, level0: NDArray[np.object_], pool: ThreadPoolExecutor
) -> NDArray[np.float32]:
    """Measure nuclei square by square: the outlines (N,) are in level-0 pixels."""
    outlines = level0_to_canvas(level0, canvas.frame)
    boxes = reach(outlines, nucleus.MARGIN_PX)
    place = (boxes[:, :2] // _SQUARE_PX).astype(np.int64)
    _, square = np.unique(place, axis=0, return_inverse=True)
    order = np.argsort(square, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(square))[:-1])
    whole = Window(0, 0, *canvas.frame.shape)

    def measured(group: NDArray[np.intp]) -> NDArray[np.float32]:
        (top, left), (low, right) = boxes[group, :2].min(axis=0), boxes[group, 2:].max(axis=0)
        asked = Window(int(top), int(left), int(low - top), int(right - left))
        # An outline of others may lie beyond the slide.
        window = asked.intersection(whole) or Window(0, 0, 1, 1)
        image, _ = canvas.read(window)
        return nucleus.nucleus_features(image, (window.row, window.column), outlines[group])

    answer = np.empty((len(outlines), len(nucleus.NAMES)), np.float32)
    for group, values in zip(groups, pool.map(measured, groups), strict=True):
        answer[group] = values
    return answer


def features(slide: Path, nuclei: Path, output: Path, *, threads: int = 1) -> None:
    """Describe each nucleus of a slide in numbers.

    Parameters
    ----------
    slide : pathlib.Path
        The slide itself.
    nuclei : pathlib.Path
        ``nuclei.parquet`` of the slide.
    output : pathlib.Path
        ``features.parquet``: one row for each nucleus, in the same order.
    threads : int
        Number of pieces of the slide that are worked on at the same time.

    Raises
    ------
    SlideError
        If the slide cannot be read.
    StoreError
        If the table is missing or of another slide, or the output cannot be written.
    """
    check_outputs([output], [slide, nuclei])
    table = read_nuclei(nuclei)
    total = table.surroundings.n_nuclei
    with measuring(slide, table, threads) as measured, progress("features", total, "nuclei") as on:

        def counted() -> Iterator[Described]:
            for some in measured(None):
                yield some
                on(len(some.id))

        write_features(output, table.names, counted(), table.digest)
    log.info("%d features of %d nuclei", len(table.names), total)
