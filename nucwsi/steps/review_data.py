"""Labelled crops from a pathologist's answers, for `data import --from review`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.errors import DataError
from nucwsi.grid import Frame, Window
from nucwsi.io.datasets.dataset import Dataset, Entry
from nucwsi.io.nuclei.arrow import to_bytes
from nucwsi.io.nuclei.parquet import iter_batches
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.identity import check_slide
from nucwsi.io.slides.slide import open_slide
from nucwsi.labels.labelled_image import LabelledImage
from nucwsi.labels.taxonomy import KINDS
from nucwsi.nuclei.polygons import level0_to_canvas
from nucwsi.review.answers import class_key
from nucwsi.review.crops import NO_NUCLEUS, UNANSWERED, Judged, around, labelled_crop
from nucwsi.steps.teach.labels import SlideLabels, read_labels
from nucwsi.steps.teach.slides import slide_of

log = logging.getLogger(__name__)

#: Name of the data set.
_DATASET = "review"

#: Side of the squares in which answers outside of frames are cut out, in pixels.
_SIDE_PX = 256

#: Crops are not finer than this, in µm per pixel: what scanners at 40x give.
_FINEST_UM = 0.25

#: Least radius of what is not known around a nucleus that was marked as missed, in µm.
_MARK_UM = 6.0


@dataclass(frozen=True)
class _Slide:
    """A slide with answers, its nuclei in pixels of crops, and where its crops lie."""

    path: Path
    labels: SlideLabels
    frame: Frame
    judged: Judged
    marks: NDArray[np.object_]


def review_listing(results: Path, answers: Sequence[Path], slides: Sequence[Path] = ()) -> Dataset:
    """List the crops that answers label.

    Parameters
    ----------
    results : pathlib.Path
        Folder of the results of a slide or of a cohort.
    answers : sequence of pathlib.Path
        Files in any form that `io.review.answers` reads.
    slides : sequence of pathlib.Path
        Files of slides, where the results do not say where the slide is.

    Returns
    -------
    Dataset
        A crop for each frame that was looked through, in which every nucleus is known, and one for
        each square with answers outside of frames, in which nothing else is.

    Raises
    ------
    AnswerError
        If answers cannot be used.
    DataError
        If the slide of an answer is not there.
    StoreError
        If a result is missing or damaged.
    """
    labels = read_labels([results], answers)
    names = sorted({name for one in labels for name in one.classes.values()})
    known = {class_key(name): name for name in KINDS}
    strange = [name for name in names if class_key(name) not in known]
    if strange:
        log.warning(
            "%s: no label that training knows; these nuclei are outlined, but have no class"
            " (docs/data.md lists the names)",
            ", ".join(strange),
        )
    codes = {name: 1 + at for at, name in enumerate(n for n in names if n not in strange)}
    entries = [entry for one in labels for entry in _entries(_opened(one, codes, slides, results))]
    named = {code: known[class_key(name)] for name, code in codes.items()}
    return Dataset(tuple(entries), {_DATASET: named})


def _opened(
    labels: SlideLabels, codes: dict[str, int], slides: Sequence[Path], results: Path
) -> _Slide:
    path = slide_of(labels, slides)
    if path is None:
        raise DataError(
            f"{results}: the slide of {labels.facts.slide} is not where it was; name it with"
            " --slide"
        )
    check_slide(path, labels.facts.slide_checksum, labels.nuclei)
    frame = _crop_frame(labels.facts.frame)
    geometry = [to_bytes(b.column("geometry")) for b in iter_batches(labels.nuclei, ["geometry"])]
    outlines = shapely.from_wkb(np.concatenate([np.empty(0, object), *geometry]))
    code = np.full(len(labels.ids), UNANSWERED)
    for row, name in labels.classes.items():
        code[row] = codes.get(name, 0)
    code[sorted(labels.none)] = NO_NUCLEUS
    marks = np.array(labels.marks, np.float64).reshape(-1, 3)
    points = frame.from_level0(marks[:, 1::-1])[:, ::-1]
    discs = around(points, marks[:, 2] / np.prod(frame.scale), _MARK_UM / frame.mpp)
    return _Slide(path, labels, frame, Judged(level0_to_canvas(outlines, frame), code), discs)


def _crop_frame(frame: Frame) -> Frame:
    """Lay a canvas of the resolution of crops over that of a slide."""
    mpp = max(_FINEST_UM, *frame.level0_mpp)
    height, width = (int(np.ceil(side * frame.mpp / mpp - 1e-6)) for side in frame.shape)
    origin, level0 = frame.origin_px, frame.level0_shape
    return Frame((max(1, height), max(1, width)), mpp, frame.level0_mpp, origin, level0)


def _entries(slide: _Slide) -> Iterator[Entry]:
    """Yield an entry for each frame, and for each square with answers outside of them."""
    labels, frame, judged = slide.labels, slide.frame, slide.judged
    canvas = Window(0, 0, *frame.shape)
    framed = np.zeros(len(judged.code), bool)
    middles = shapely.get_coordinates(shapely.centroid(judged.outlines))
    for box, name in labels.frames.items():
        (top, left), (low, right) = frame.from_level0(np.array([box[1::-1], box[:1:-1]]))
        window = _within(canvas, round(top), round(left), round(low), round(right))
        if window is None:
            continue
        rows, columns = middles[:, 1], middles[:, 0]
        framed |= (
            (rows >= window.row)
            & (rows < window.row_stop)
            & (columns >= window.column)
            & (columns < window.column_stop)
        )
        yield _entry(slide, f"{labels.facts.slide}_{name.lower().replace(' ', '_')}", window, True)
    answered = np.flatnonzero((judged.code != UNANSWERED) & ~framed)
    places = {(int(y // _SIDE_PX), int(x // _SIDE_PX)) for x, y in middles[answered].tolist()}
    for row, column in sorted(places):
        top, left = row * _SIDE_PX, column * _SIDE_PX
        window = _within(canvas, top, left, top + _SIDE_PX, left + _SIDE_PX)
        if window is not None:
            yield _entry(slide, f"{labels.facts.slide}_{row}_{column}", window, False)


def _within(canvas: Window, top: int, left: int, low: int, right: int) -> Window | None:
    if low <= top or right <= left:
        return None
    return Window(top, left, low - top, right - left).intersection(canvas)


def _entry(slide: _Slide, name: str, window: Window, whole: bool) -> Entry:
    said = "all nuclei are known" if whole else "single nuclei are known"
    return Entry(
        _DATASET,
        name,
        partial(_read, slide, window, whole),
        slide.frame.mpp,
        patient=slide.labels.facts.slide,
        note=f"a pathologist's answers; {said}",
    )


def _read(slide: _Slide, window: Window, whole: bool) -> LabelledImage:
    """Cut a crop out of its slide, and label it."""
    with open_slide(slide.path, slide.labels.facts.scene or None) as opened:
        image, _ = SlideCanvas(opened, slide.frame).read(window)
    box = shapely.box(window.column, window.row, window.column_stop, window.row_stop)
    near = np.flatnonzero(shapely.intersects(slide.judged.outlines, box))
    judged = Judged(slide.judged.outlines[near], slide.judged.code[near])
    return labelled_crop(image, window, judged, slide.marks, whole=whole)
