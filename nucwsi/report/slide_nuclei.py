"""The nuclei of a whole slide as the report and the viewer need them: places, classes, areas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import most_probable
from nucwsi.grid import Frame
from nucwsi.io.nuclei.stored_columns import iter_columns


@dataclass(frozen=True)
class SlideNuclei:
    """All N nuclei of a slide.

    Attributes
    ----------
    row, column : (N,) ndarray of float64
        Centroids in canvas pixels.
    class_code : (N,) ndarray of uint8
        Index of the assigned class, the most probable one.
    probability : (N,) ndarray of float32
        Probability of the assigned class.
    area_um2 : (N,) ndarray of float32
        Area in µm².
    at_edge : (N,) ndarray of bool
        Whether the edge of the analysed area cuts the nucleus.
    """

    row: NDArray[np.float64]
    column: NDArray[np.float64]
    class_code: NDArray[np.uint8]
    probability: NDArray[np.float32]
    area_um2: NDArray[np.float32]
    at_edge: NDArray[np.bool_]


def read_slide_nuclei(path: Path, classes: tuple[str, ...], frame: Frame) -> SlideNuclei:
    """Read the nuclei of a slide.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``.
    classes : tuple of str
        Class names of the slide, in the order of the ensemble.
    frame : Frame
        How the canvas lies on the slide.

    Returns
    -------
    SlideNuclei
        In the order of the file.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    """
    shares = [f"p_{name}" for name in classes]
    names = ["row", "column", "area_um2", "at_edge", *shares]
    # Group by group: the probabilities of all classes take more room than all that is kept.
    groups = [_kept(columns, shares, frame) for columns in iter_columns(path, names)]
    groups = groups or [_kept(dict.fromkeys(names, np.empty(0)), shares, frame)]
    return SlideNuclei(*(np.concatenate(parts) for parts in zip(*groups, strict=True)))


def _kept(
    columns: dict[str, NDArray[Any]], shares: list[str], frame: Frame
) -> tuple[NDArray[Any], ...]:
    """Return what `SlideNuclei` holds of some nuclei, in its order."""
    probabilities = np.column_stack([columns[name] for name in shares])
    row, column = frame.from_level0(np.column_stack([columns["row"], columns["column"]])).T
    return (
        row,
        column,
        most_probable(probabilities),
        probabilities.max(axis=1),
        columns["area_um2"],
        columns["at_edge"].astype(bool),
    )
