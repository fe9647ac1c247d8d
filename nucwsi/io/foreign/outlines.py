"""What is read of nuclei that another program has found."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.nuclei.validity import Geometries

#: No slide has coordinates beyond this, in pixels or µm.
FARTHEST = 1e9


class ForeignNuclei(NamedTuple):
    """N nuclei, in the pixels that their file counts in.

    Attributes
    ----------
    form : str
        The file's form, as messages name it.
    polygons : (N,) ndarray of shapely.Polygon
        Outlines, x and y in pixels of the file; neither checked nor repaired.
    names : list of str
        Class of each; empty where the file does not say.
    certainty : (N,) ndarray of float64
        Probability that it is a nucleus, 0 to 1; 1 where the file does not say.
    origin : str
        Where x and y are counted from: ``bounds``, the corner of the slide's bounds, as QuPath
        counts; ``file``, the upper left pixel of the file.
    size_px : (int, int), optional
        Height and width of a label image.
    mag : float, optional
        Objective power whose pixels are counted in, if the file states one.
    """

    form: str
    polygons: Geometries
    names: list[str]
    certainty: NDArray[np.float64]
    origin: Literal["bounds", "file"]
    size_px: tuple[int, int] | None = None
    mag: float | None = None


def exteriors(rings: list[NDArray[np.float64]]) -> Geometries:
    """Make polygons of rings.

    Parameters
    ----------
    rings : list of (K, 2) ndarray of float64
        x and y of each outline; closed or open.

    Returns
    -------
    (N,) ndarray of shapely.Polygon
        Empty where a ring has fewer than three points.
    """
    lengths = np.array([len(ring) if len(ring) >= 3 else 0 for ring in rings])
    kept = [ring for ring, length in zip(rings, lengths, strict=True) if length]
    polygons = np.full(len(rings), shapely.Polygon(), object)
    if kept:
        whose = np.repeat(np.arange(len(kept)), lengths[lengths > 0])
        closed = shapely.linearrings(np.concatenate(kept), indices=whose)
        polygons[lengths > 0] = shapely.polygons(closed)
    return polygons
