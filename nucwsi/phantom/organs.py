"""What lies in the stroma of the phantom's tissue: glands, nests, vessels, fat and follicles.

Each kind of site has a jittered lattice of its own. An organ follows from the seed and its own
site, and its outline is cut half way to its neighbours', as crowded glands and fat cells are
(a rounded Voronoi cell), so that no two of a lattice overlap; where two lattices meet, the
coarser one stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nucwsi.grid import Window
from nucwsi.phantom.nucleus import TURN, Outline


@dataclass(frozen=True)
class _Lattice:
    """Sites of organs; all lengths in µm.

    Attributes
    ----------
    pitch : float
        Distance between neighbouring sites.
    jitter : float
        A site lies at most this share of the pitch off the lattice, along each axis.
    radii : (float, float)
        Smallest and largest mean radius of an organ.
    gap : float
        Distance that its outline keeps from its neighbour's.
    """

    pitch: float
    jitter: float
    radii: tuple[float, float]
    gap: float


#: From the coarsest to the finest: follicles; glands, nests and vessels; fat cells.
_LATTICES = (
    _Lattice(430, 0.16, (62, 80), 60),
    _Lattice(96, 0.15, (34, 54), 9),
    _Lattice(44, 0.16, (17, 30), 1.6),
)


@dataclass(frozen=True, eq=False)
class Organ(Outline):
    """One organ.

    Attributes
    ----------
    kind : str
        ``follicle``, ``gland``, ``nest``, ``vessel`` or ``fat``.
    key : (int, int, int)
        Its lattice, row and column; unique on the slide.
    centre, axes, angle, radii
        As of `Outline`.
    """

    kind: str
    key: tuple[int, int, int]
    centre: tuple[float, float]
    axes: tuple[float, float]
    radii: NDArray[np.float64]
    angle: float = 0.0

    @cached_property
    def frame(self) -> Window:
        """The smallest window of level-0 pixels around the organ."""
        return self.box()

    def inner(self, depth_px: float) -> Organ:
        """Return the outline that lies about `depth_px` level-0 pixels further inside.

        Parameters
        ----------
        depth_px : float
            Level-0 pixels.

        Returns
        -------
        Organ
            Of the same kind and key; at least a tenth as wide as this one.
        """
        radius = self.axes[0]
        inside = np.maximum(self.radii * radius - depth_px, 0.1 * radius)
        largest = float(inside.max())
        return Organ(self.kind, self.key, self.centre, (largest, largest), inside / largest)


class Organs:
    """All organs of a slide, made where they are asked for.

    Parameters
    ----------
    seed : int
        Organs of an equal seed, resolution and `kind_at` are equal.
    mpp : float
        µm per level-0 pixel.
    kind_at : callable
        Takes the number of a lattice (0 to 2), a row and a column in level-0 pixels and a share
        drawn at random (0 to 1); returns the kind of the organ there, or an empty string.
    """

    def __init__(
        self, seed: int, mpp: float, kind_at: Callable[[int, float, float, float], str]
    ) -> None:
        self._seed, self._mpp, self._kind_at = seed, mpp, kind_at
        self._site = lru_cache(1 << 15)(self._place)
        self._organ = lru_cache(1 << 13)(self._make)

    def near(self, window: Window, finest: int = 2) -> list[Organ]:
        """Return the organs whose box meets a window, always in the same order.

        Parameters
        ----------
        window : Window
            Level-0 pixels.
        finest : int
            The last lattice whose organs are returned.

        Returns
        -------
        list of Organ
            From the coarsest lattice to the finest.
        """
        found = []
        for index, lattice in enumerate(_LATTICES[: finest + 1]):
            pitch = lattice.pitch / self._mpp
            # A site and its radius reach less than 1.2 pitches beyond the site's cell.
            rows = range(
                math.floor(window.row / (0.866 * pitch) - 1.5),
                math.ceil(window.row_stop / (0.866 * pitch) + 1.5),
            )
            columns = range(
                math.floor(window.column / pitch - 2), math.ceil(window.column_stop / pitch + 1.5)
            )
            for row, column in product(rows, columns):
                organ = self._organ(index, row, column)
                if organ is not None and organ.frame.intersection(window) is not None:
                    found.append(organ)
        return found

    def random(self, stream: int, key: tuple[int, int, int]) -> np.random.Generator:
        """Return the source of randomness of one organ.

        Parameters
        ----------
        stream : int
            Streams are independent of each other.
        key : (int, int, int)
            As `Organ.key`.

        Returns
        -------
        numpy.random.Generator
            In its first state.
        """
        # Sites above and left of the slide have negative numbers, which a seed cannot have.
        lattice, row, column = key
        return np.random.default_rng((self._seed, 300 + stream, lattice, row + 1000, column + 1000))

    def _place(self, index: int, row: int, column: int) -> tuple[float, float]:
        """Return the row and column of a site in level-0 pixels."""
        lattice = _LATTICES[index]
        off = self.random(0, (index, row, column)).uniform(-lattice.jitter, lattice.jitter, 2)
        pitch = lattice.pitch / self._mpp
        place = pitch * (row + 0.5) * 0.866, pitch * (column + 0.5 + row % 2 / 2)
        return float(place[0] + off[0] * pitch), float(place[1] + off[1] * pitch)

    def _make(self, index: int, row: int, column: int) -> Organ | None:
        """Return the organ of a site, or None where there is none."""
        centre = self._site(index, row, column)
        rng = self.random(1, (index, row, column))
        kind = self._kind_at(index, *centre, rng.random())
        if not kind:
            return None
        lattice = _LATTICES[index]
        waves = np.arange(2, 6)
        swing = rng.normal(0, 0.13, 4) / (waves - 1)
        mean = rng.uniform(*lattice.radii) * (0.55 if kind == "vessel" else 1.0)
        radii = mean * (1 + np.cos(np.outer(TURN, waves) + rng.uniform(0, 6.3, 4)) @ swing)
        for r, c in product((-1, 0, 1), (-1, 0, 1)):
            if r or c:
                other = self._site(index, row + r, column + c)
                radii = np.minimum(radii, self._half_way(centre, other, lattice.gap))
        radii = ndimage.gaussian_filter1d(np.maximum(radii, 5), 1.3, mode="wrap") / self._mpp
        largest = float(radii.max())
        organ = Organ(kind, (index, row, column), centre, (largest, largest), radii / largest)
        rivals = self.near(organ.frame, index - 1) if index else []
        return None if any(self._meet(organ, rival) for rival in rivals) else organ

    def _half_way(
        self, centre: tuple[float, float], other: tuple[float, float], gap: float
    ) -> NDArray[np.float64]:
        """Return the radii (48,), in µm, at which an outline comes half way to another centre."""
        down, right = other[0] - centre[0], other[1] - centre[1]
        facing = np.cos(TURN - math.atan2(down, right))
        half = math.hypot(down, right) * self._mpp / 2 - gap / 2
        return np.where(facing > 0.05, half / np.maximum(facing, 0.05), np.inf)

    def _meet(self, organ: Organ, rival: Organ) -> bool:
        """Return whether the circles around two organs meet; a follicle spills its cells."""
        down, right = (a - b for a, b in zip(organ.centre, rival.centre, strict=True))
        spill = 7 / self._mpp if rival.kind == "follicle" else 0.0
        return math.hypot(down, right) < organ.axes[0] + rival.axes[0] + spill
