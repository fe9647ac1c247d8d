"""The nuclei of a slide as columns: plain arrays, whatever file they come from."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class NucleusTable:
    """N nuclei, C classes; positions in level-0 pixels from the file's upper left.

    Attributes
    ----------
    id : (N,) ndarray of int64
        Owner pixel on the canvas, counted in raster order: the same in every run.
    row, column : (N,) ndarray of float64
        Centroid of the outline.
    class_code : (N,) ndarray of uint8
        Index into the classes of the checkpoint.
    class_probabilities : (N, C) ndarray of float32
    contrasts : (N, Q · C) ndarray of float32
        Contrasts between the answers of an ensemble, by contrast, then class.
    area_um2, perimeter_um, major_axis_um, minor_axis_um : (N,) ndarray of float32
    circularity, solidity, np_mean : (N,) ndarray of float32
    at_edge : (N,) ndarray of bool
        Touches the end of the analysed area.
    escalated : (N,) ndarray of bool
        Belongs to a component too wide to be worked on as a whole.
    geometry : (N,) ndarray of bytes
        Outline as WKB; x and y.
    bounds : (N, 4) ndarray of float64
        xmin, ymin, xmax, ymax of the outline.
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

    def __len__(self) -> int:
        return len(self.id)

    def take(self, index: NDArray[np.intp]) -> NucleusTable:
        """Return chosen nuclei, in the order of `index`.

        Parameters
        ----------
        index : (K,) ndarray of int

        Returns
        -------
        NucleusTable
        """
        return NucleusTable(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def concatenated(cls, tables: list[NucleusTable]) -> NucleusTable:
        """Join tables of the same classes, at least one.

        Parameters
        ----------
        tables : list of NucleusTable

        Returns
        -------
        NucleusTable
        """
        return cls(
            **{f.name: np.concatenate([getattr(t, f.name) for t in tables]) for f in fields(cls)}
        )
