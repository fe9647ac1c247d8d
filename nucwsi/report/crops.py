"""Crops: fields of a slide at full resolution, with the outlines of their nuclei."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.grid import Frame
from nucwsi.io.slides.slide import Slide
from nucwsi.nuclei.table import NucleusTable
from nucwsi.report.assessment import ClassOutlines, Crop
from nucwsi.report.fields import Choice, FieldSums
from nucwsi.report.imagery import jpeg_uri, svg_path
from nucwsi.report.slide_pictures import field_window, read_field

#: Largest side of a crop in its pixels; finer slides are reduced to it.
_MAX_CROP_PX = 512

#: Outlines (K shapely geometries, x and y in level-0 pixels) and class codes (K) of K nuclei.
OutlinesAndCodes = tuple[NDArray[np.object_], NDArray[np.uint8]]


def read_crops(
    slide: Slide,
    tables: Iterable[NucleusTable],
    frame: Frame,
    choices: Sequence[Choice],
    sums: FieldSums,
    side_um: float,
    quality: int,
) -> tuple[Crop, ...]:
    """Read fields of a slide and draw the outlines of their nuclei.

    Parameters
    ----------
    slide : Slide
        The open slide.
    tables : iterable of NucleusTable
        The nuclei of the slide, one table at a time.
    frame : Frame
        Frame of the canvas on which the fields form a grid.
    choices : sequence of Choice
        The fields to show.
    sums : FieldSums
        The nuclei of all fields.
    side_um : float
        Side of a field in µm.
    quality : int
        JPEG quality, 1 to 100.

    Returns
    -------
    tuple of Crop
        One for each choice, at the slide's own resolution, but at most 512 px wide.
    """
    mpp = max(*frame.level0_mpp, side_um / _MAX_CROP_PX)
    scale = (frame.level0_mpp[1] / mpp, frame.level0_mpp[0] / mpp)
    boxes = np.array(
        [_level0_box(frame, (choice.row, choice.column), side_um, mpp) for choice in choices]
    ).reshape(-1, 4)
    crops = []
    for choice, box, nuclei in zip(choices, boxes, nuclei_in_boxes(tables, boxes), strict=True):
        image = read_field(slide, frame, (choice.row, choice.column), side_um, mpp)
        certainty = float(sums.certainty[choice.row, choice.column])
        crops.append(
            Crop(
                rule=choice.rule,
                x=round((box[0] + box[2]) / 2 - frame.origin_px[1]),
                y=round((box[1] + box[3]) / 2 - frame.origin_px[0]),
                n=int(sums.n_nuclei[choice.row, choice.column]),
                certainty=certainty if np.isfinite(certainty) else None,
                size=(image.shape[1], image.shape[0]),
                mpp=mpp,
                image=jpeg_uri(image, quality),
                paths=_class_outlines(nuclei, scale, (box[0], box[1])),
            )
        )
    return tuple(crops)


def _class_outlines(
    nuclei: OutlinesAndCodes, scale: tuple[float, float], origin: tuple[float, float]
) -> tuple[ClassOutlines, ...]:
    outlines, code = nuclei
    return tuple(
        ClassOutlines(code=int(one), d=svg_path(outlines[code == one], scale, origin))
        for one in np.unique(code)
    )


def _level0_box(
    frame: Frame, place: tuple[int, int], side_um: float, mpp: float
) -> tuple[float, float, float, float]:
    """Return xmin, ymin, xmax, ymax of a field in level-0 pixels."""
    view, window = field_window(frame, place, side_um, mpp)
    corners = [(window.row, window.column), (window.row_stop, window.column_stop)]
    (ymin, xmin), (ymax, xmax) = view.to_level0(np.array(corners, np.float64)).tolist()
    return xmin, ymin, xmax, ymax


def nuclei_in_boxes(
    tables: Iterable[NucleusTable], boxes: NDArray[np.floating]
) -> list[OutlinesAndCodes]:
    """Find the nuclei that reach into each of several boxes.

    Parameters
    ----------
    tables : iterable of NucleusTable
        Consumed one at a time; not at all without boxes.
    boxes : (B, 4) ndarray of float
        xmin, ymin, xmax, ymax in level-0 pixels.

    Returns
    -------
    list of (ndarray, ndarray)
        For each box the outlines, (K,) ndarray of shapely.Polygon in level-0 pixels, and the
        class codes, (K,) ndarray of uint8. A nucleus counts if its bounding box overlaps the box.
    """
    outlines: list[list[NDArray[np.object_]]] = [[] for _ in boxes]
    codes: list[list[NDArray[np.uint8]]] = [[] for _ in boxes]
    for table in tables if len(boxes) else ():
        left, top, right, bottom = table.bounds.T
        for index, (xmin, ymin, xmax, ymax) in enumerate(boxes.tolist()):
            near = (right > xmin) & (left < xmax) & (bottom > ymin) & (top < ymax)
            outlines[index].append(shapely.from_wkb(table.geometry[near]))
            codes[index].append(table.class_code[near])
    nothing = np.empty(0, object), np.empty(0, np.uint8)
    return [
        (np.concatenate(shapes), np.concatenate(code)) if shapes else nothing
        for shapes, code in zip(outlines, codes, strict=True)
    ]
