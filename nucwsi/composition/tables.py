"""Regions and nuclei in, the tables of a slide out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from nucwsi.composition.counts import Columns, Population, composition, morphometry
from nucwsi.composition.neighbours import Closeness
from nucwsi.composition.regions import Region, areas, geometries, tissue_area


class Census(NamedTuple):
    """The nuclei of a slide, and which region owns which.

    Attributes
    ----------
    regions : list of Region
        R of them.
    pairs : (2, K) ndarray of int64
        Index of a region and index of a nucleus in it, from `regions.owned`; ordered by both.
    nuclei : Population
        N of them.
    classes : tuple of str
        The C class names.
    count_error : dict of str to float
        Class name -> as in `composition`; a class that is missing has none.
    """

    regions: list[Region]
    pairs: NDArray[np.int64]
    nuclei: Population
    classes: tuple[str, ...]
    count_error: dict[str, float]

    def composition(self, pieces: list[Polygon], px_um2: float) -> Columns:
        """Count the nuclei of each region.

        Parameters
        ----------
        pieces : list of shapely.Polygon
            Tissue, in level-0 pixels; the pieces do not overlap.
        px_um2 : float
            Area of a level-0 pixel in µm².

        Returns
        -------
        dict of str to (R,) ndarray
            A row a region.
        """
        mm2 = px_um2 / 1e6
        error = np.array([self.count_error.get(name, 0.0) for name in self.classes])
        tissue_mm2 = tissue_area(geometries(self.regions), pieces) * mm2
        return {
            **_labels(self.regions),
            "area_mm2": areas(self.regions) * mm2,
            "tissue_area_mm2": tissue_mm2,
            **composition(self.pairs, self.nuclei, self.classes, tissue_mm2, error),
        }

    def morphometry(self) -> Columns:
        """Describe how the features of nuclei are distributed.

        Returns
        -------
        dict of str to ndarray
            A row for each region (squares of the grid excepted), class and feature.
        """
        pairs = self.pairs[:, self._detailed[self.pairs[0]]]
        found = morphometry(pairs, self.nuclei, self.classes, len(self.regions))
        return _with_labels(self.regions, found)

    def neighbours(self, points_um: NDArray[np.float64], radius_um: float) -> Columns:
        """Count which classes lie side by side.

        Parameters
        ----------
        points_um : (N, 2) ndarray of float64
            Centroids in µm.
        radius_um : float
            Nuclei are neighbours if their centroids are at most this far apart.

        Returns
        -------
        dict of str to ndarray
            A row for each region (squares of the grid excepted) and pair of classes.
        """
        closeness = Closeness(points_um, radius_um, self.nuclei.class_code, len(self.classes))
        chosen, (a, b) = np.flatnonzero(self._detailed), closeness.class_pairs
        shape = (len(chosen), len(a))
        n_pairs, expected, sd = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape)
        starts = np.searchsorted(self.pairs[0], chosen, "left")
        stops = np.searchsorted(self.pairs[0], chosen, "right")
        for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            n_pairs[row], expected[row], sd[row] = closeness.pairs(self.pairs[1, start:stop])
        excess, names = n_pairs - expected, np.array(self.classes, object)
        columns = {
            "region": np.repeat(chosen, len(a)),
            "class_a": np.tile(names[a], len(chosen)),
            "class_b": np.tile(names[b], len(chosen)),
            "radius_um": np.full(n_pairs.size, radius_um),
            "n_pairs": n_pairs.ravel(),
            "expected": expected.ravel(),
            "z": np.divide(excess, sd, out=np.full(shape, np.nan), where=sd > 0).ravel(),
        }
        return _with_labels(self.regions, columns)

    @property
    def _detailed(self) -> NDArray[np.bool_]:
        """Which regions have more than a count: thousands of squares would bury the others."""
        return np.array([region.source != "grid" for region in self.regions], bool)


def _labels(regions: list[Region]) -> Columns:
    return {
        "region_id": np.array([region.id for region in regions], object),
        "region_name": np.array([region.name for region in regions], object),
        "region_class": np.array([region.region_class for region in regions], object),
        "region_source": np.array([region.source for region in regions], object),
    }


def _with_labels(regions: list[Region], columns: Columns) -> Columns:
    """Put the labels of regions in the place of their indices."""
    index = columns["region"]
    rest = {name: values for name, values in columns.items() if name != "region"}
    return {**{name: values[index] for name, values in _labels(regions).items()}, **rest}
