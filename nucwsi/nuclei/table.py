"""The nuclei of a slide as columns: plain arrays, whatever file they come from."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class NucleusTable:
    """N nuclei, C classes, Q contrasts; positions in level-0 pixels from the file's upper left.

    Attributes
    ----------
    id : (N,) ndarray of int64
        Flat index on the canvas (row times canvas width plus column, in canvas pixels) of the
        nucleus' owner pixel: the same in every run.
    row, column : (N,) ndarray of float64
        Centroid of the outline, in level-0 pixels.
    class_code : (N,) ndarray of uint8
        The most probable class, as index into the classes of the ensemble.
    class_probabilities : (N, C) ndarray of float32
        Probability of each class; each row sums to 1.
    contrasts : (N, Q · C) ndarray of float32
        Contrasts between the answers of an ensemble, by contrast, then class, in shares of the
        nucleus; see `composition.disagreement`.
    area_um2 : (N,) ndarray of float32
        Area of the outline, in µm².
    perimeter_um : (N,) ndarray of float32
        Length of the outline before it was simplified, in µm.
    major_axis_um, minor_axis_um : (N,) ndarray of float32
        Axes of the ellipse with the same second moments, in µm.
    circularity : (N,) ndarray of float32
        4 pi area / perimeter², at most 1: a circle.
    solidity : (N,) ndarray of float32
        Area of the outline over that of its convex hull, at most 1.
    np_mean : (N,) ndarray of float32
        Mean probability of nucleus over its pixels, 0 to 1.
    at_edge : (N,) ndarray of bool
        Whether it touches the end of the analysed area, so that a part of it may be missing.
    escalated : (N,) ndarray of bool
        Whether it was cut out of a giant component block by block, or, in a merge by overlap,
        segmented anew because no tile saw it whole.
    geometry : (N,) ndarray of bytes
        Outline as WKB, x and y in level-0 pixels.
    bounds : (N, 4) ndarray of float64
        xmin, ymin, xmax, ymax of the outline, in level-0 pixels.
    network_probabilities : (N, D) ndarray of float32, optional
        Probability of each of the D classes of the networks, where `class_probabilities` are those
        of a classifier that was taught others.
    """

    id: NDArray[np.int64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    class_code: NDArray[np.uint8]
    class_probabilities: NDArray[np.float32]
    contrasts: NDArray[np.float32]
    area_um2: NDArray[np.float32]
    perimeter_um: NDArray[np.float32]
    major_axis_um: NDArray[np.float32]
    minor_axis_um: NDArray[np.float32]
    circularity: NDArray[np.float32]
    solidity: NDArray[np.float32]
    np_mean: NDArray[np.float32]
    at_edge: NDArray[np.bool_]
    escalated: NDArray[np.bool_]
    geometry: NDArray[np.object_]
    bounds: NDArray[np.float64]
    network_probabilities: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.id)

    def take(self, index: NDArray[np.intp]) -> NucleusTable:
        """Return chosen nuclei.

        Parameters
        ----------
        index : (K,) ndarray of int
            Rows of this table.

        Returns
        -------
        NucleusTable
            K nuclei, in the order of `index`.
        """
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return NucleusTable(**{n: c[index] for n, c in columns.items() if c is not None})

    @classmethod
    def concatenated(cls, tables: list[NucleusTable]) -> NucleusTable:
        """Join tables, one after the other.

        Parameters
        ----------
        tables : list of NucleusTable
            At least one; all of the same classes, of the networks too, and number of contrasts.

        Returns
        -------
        NucleusTable
            All their nuclei, in this order.
        """
        columns = {f.name: [getattr(t, f.name) for t in tables] for f in fields(cls)}
        return cls(**{n: np.concatenate(c) for n, c in columns.items() if c[0] is not None})
