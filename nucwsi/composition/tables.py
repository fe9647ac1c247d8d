"""The tables of a slide, made of its regions and its nuclei."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from nucwsi.classes import Unions
from nucwsi.composition.counts import Columns, Population, composition, morphometry
from nucwsi.composition.intervals import CountError
from nucwsi.composition.look import Look, describe, warning_of
from nucwsi.composition.neighbours import NeighbourGraph
from nucwsi.composition.regions import Region, areas, geometries, tissue_area
from nucwsi.composition.unions import union_columns


class RegionTables(NamedTuple):
    """The nuclei and regions of a slide, from which its three tables are made.

    Attributes
    ----------
    regions : list of Region
        R regions, in the order of the tables.
    pairs : (2, K) ndarray of int64
        Index of a region, and index of a nucleus in it; ordered by both. From
        `regions.owned_nuclei`.
    nuclei : Population
        The N nuclei of the slide.
    classes : tuple of str
        The C class names.
    error : CountError
        By how much counts of the C classes are off beyond chance.
    look : Look, optional
        How the nuclei look, and how they ought to; none where it is not known.
    unions : mapping of str to tuple of str
        Name of a union -> classes that are also counted together.
    """

    regions: list[Region]
    pairs: NDArray[np.int64]
    nuclei: Population
    classes: tuple[str, ...]
    error: CountError
    look: Look | None = None
    unions: Unions = MappingProxyType({})

    def composition(self, pieces: list[Polygon], px_um2: float) -> Columns:
        """Return the columns of ``composition.csv``: the nuclei of each region by class.

        Parameters
        ----------
        pieces : list of shapely.Polygon
            Tissue in level-0 pixels; the pieces do not overlap.
        px_um2 : float
            Area of a level-0 pixel in µm².

        Returns
        -------
        dict of str to (R,) ndarray
            One row for each region; areas in mm², densities per mm² of tissue.
        """
        mm2 = px_um2 / 1e6
        tissue_mm2 = tissue_area(geometries(self.regions), pieces) * mm2
        counted = (self.pairs, self.nuclei, self.classes)
        known = (tissue_mm2, self.error, self._distance())
        return {
            **_labels(self.regions),
            "area_mm2": areas(self.regions) * mm2,
            "tissue_area_mm2": tissue_mm2,
            **composition(*counted, *known),
            **union_columns(*counted, self.unions, *known),
        }

    def out_of_domain(self) -> str | None:
        """Say whether the first region, which is the slide, is out of domain.

        Returns
        -------
        str or None
            As `look.warning_of`.
        """
        if self.look is None or not self.regions:
            return None
        return warning_of(self.look, self._described(self.look)[0])

    def _described(self, look: Look) -> NDArray[np.float64]:
        return describe(self.pairs, look, self.nuclei.features["area_um2"], len(self.regions))

    def _distance(self) -> NDArray[np.float64] | None:
        return self.look and self.look.domain.distance(self._described(self.look))

    def morphometry(self) -> Columns:
        """Return the columns of ``morphometry.csv``: how features are distributed.

        Returns
        -------
        dict of str to (rows,) ndarray
            One row for each region (squares of the grid excepted), class and feature.
        """
        pairs = self.pairs[:, self._detailed[self.pairs[0]]]
        columns = morphometry(pairs, self.nuclei, self.classes, len(self.regions))
        return _with_labels(self.regions, columns)

    def neighbours(self, points_um: NDArray[np.float64], radius_um: float) -> Columns:
        """Return the columns of ``neighbours.csv``: which classes lie side by side.

        Parameters
        ----------
        points_um : (N, 2) ndarray of float64
            Centroids of the nuclei in µm, in any frame.
        radius_um : float
            Nuclei are neighbours if their centroids are at most this far apart.

        Returns
        -------
        dict of str to (rows,) ndarray
            One row for each region (squares of the grid excepted) and pair of classes.
        """
        graph = NeighbourGraph(points_um, radius_um, self.nuclei.class_code, len(self.classes))
        chosen, (a, b) = np.flatnonzero(self._detailed), graph.class_pairs
        shape = (len(chosen), len(a))
        n_pairs, expected, sd = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape)
        starts = np.searchsorted(self.pairs[0], chosen, "left")
        stops = np.searchsorted(self.pairs[0], chosen, "right")
        for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            n_pairs[row], expected[row], sd[row] = graph.count_pairs(self.pairs[1, start:stop])
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
        """(R,) ndarray: whether a region has details; squares of a grid would bury the others."""
        return np.array([region.source != "grid" for region in self.regions], bool)


def _labels(regions: list[Region]) -> Columns:
    return {
        "region_id": np.array([region.id for region in regions], object),
        "region_name": np.array([region.name for region in regions], object),
        "region_class": np.array([region.region_class for region in regions], object),
        "region_source": np.array([region.source for region in regions], object),
    }


def _with_labels(regions: list[Region], columns: Columns) -> Columns:
    """Replace the column ``region`` of indices by the labels of the regions."""
    index = columns["region"]
    others = {name: values for name, values in columns.items() if name != "region"}
    return {**{name: values[index] for name, values in _labels(regions).items()}, **others}
