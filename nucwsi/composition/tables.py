"""The tables of a slide, made of its regions and its nuclei."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import Unions
from nucwsi.composition.counts import Columns, Population, composition, morphometry
from nucwsi.composition.intervals import CountError
from nucwsi.composition.look import Look, describe, warning_of
from nucwsi.composition.membership import Membership
from nucwsi.composition.neighbours import Reader, class_pairs, count_pairs
from nucwsi.composition.regions import Region, areas
from nucwsi.composition.unions import union_columns


class RegionTables(NamedTuple):
    """The nuclei and regions of a slide, from which its three tables are made.

    Attributes
    ----------
    regions : list of Region
        R regions, in the order of the tables.
    membership : Membership
        Which nuclei each of them holds.
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
    membership: Membership
    nuclei: Population
    classes: tuple[str, ...]
    error: CountError
    look: Look | None = None
    unions: Unions = MappingProxyType({})

    def composition(self, tissue_px: NDArray[np.float64], px_um2: float) -> Columns:
        """Return the columns of ``composition.csv``: the nuclei of each region by class.

        Parameters
        ----------
        tissue_px : (R,) ndarray of float64
            Tissue in each region in level-0 pixels²; from `regions.tissue_area`.
        px_um2 : float
            Area of a level-0 pixel in µm².

        Returns
        -------
        dict of str to (R,) ndarray
            One row for each region; areas in mm², densities per mm² of tissue.
        """
        mm2 = px_um2 / 1e6
        tissue_mm2 = tissue_px * mm2
        counted = (self.membership, self.nuclei, self.classes)
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
        return describe(self.membership, look, self.nuclei.features["area_um2"])

    def _distance(self) -> NDArray[np.float64] | None:
        return self.look and self.look.domain.distance(self._described(self.look))

    def morphometry(self) -> Columns:
        """Return the columns of ``morphometry.csv``: how features are distributed.

        Returns
        -------
        dict of str to (rows,) ndarray
            One row for each region (squares of the grid excepted), class and feature.
        """
        shown = self.details()
        columns = morphometry(shown.membership, self.nuclei, self.classes)
        return _with_labels(shown.regions, columns)

    def neighbours(self, points_um: Sequence[Reader], radius_um: float) -> Columns:
        """Return the columns of ``neighbours.csv``: which classes lie side by side.

        Parameters
        ----------
        points_um : sequence of callable
            Each reads the centroids (M, 2) of the next nuclei in µm, in any frame.
        radius_um : float
            Nuclei are neighbours if their centroids are at most this far apart.

        Returns
        -------
        dict of str to (rows,) ndarray
            One row for each region (squares of the grid excepted) and pair of classes.
        """
        shown, names = self.details(), np.array(self.classes, object)
        regions = [shown.membership.of_group(index) for index in range(len(shown.regions))]
        counted = count_pairs(points_um, radius_um, self.nuclei.class_code, len(names), regions)
        (n_pairs, expected, sd), (a, b) = counted, class_pairs(len(names))
        excess, shape = n_pairs - expected, n_pairs.shape
        columns = {
            "region": np.repeat(np.arange(len(regions)), len(a)),
            "class_a": np.tile(names[a], len(regions)),
            "class_b": np.tile(names[b], len(regions)),
            "radius_um": np.full(n_pairs.size, radius_um),
            "n_pairs": n_pairs.ravel(),
            "expected": expected.ravel(),
            "z": np.divide(excess, sd, out=np.full(shape, np.nan), where=sd > 0).ravel(),
        }
        return _with_labels(shown.regions, columns)

    def details(self) -> RegionTables:
        """Return what tables of details are made of.

        Returns
        -------
        RegionTables
            Without the squares of the grid, which would bury the other regions, and without what
            only the composition needs.
        """
        kept = np.flatnonzero([region.source != "grid" for region in self.regions])
        if self.look is None and len(kept) == len(self.regions):
            return self
        regions = [self.regions[index] for index in kept.tolist()]
        membership = self.membership.of_groups(kept)
        return self._replace(regions=regions, membership=membership, look=None)


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
