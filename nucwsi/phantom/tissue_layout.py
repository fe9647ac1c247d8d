"""Where the nuclei of the scene ``tissue`` lie: in its organs, in its stroma, and in its corner."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Window
from nucwsi.phantom.layout import Layout
from nucwsi.phantom.nucleus import Nucleus, clashes, draw_radii
from nucwsi.phantom.organs import Organ
from nucwsi.phantom.tissue import Tissue

#: Semi-axes in µm (shortest and longest of each) of the nuclei of organs.
_COLUMNAR = (3.7, 5.0), (2.25, 2.65)
_ROUND = (3.6, 4.8), (3.1, 3.8)
_LYMPHOID = (2.3, 2.75), (2.2, 2.5)
_CENTRE = (3.5, 4.3), (3.0, 3.6)
_FLAT = (4.6, 6.5), (1.1, 1.5)

#: How far around a follicle its lymphocytes lie, in µm.
_SPILL_UM = 9.0

_Axes = tuple[tuple[float, float], tuple[float, float]]


class TissueLayout(Layout):
    """Places the nuclei of a slide of the scene ``tissue``; see `Layout`.

    Parameters
    ----------
    anatomy : Tissue
        The slide's tissue, shape and seed.
    block_px : float
        Side of a block in level-0 pixels.
    density : float
        1 for nuclei as dense as in common tissue.
    """

    anatomy: Tissue
    giants: ClassVar[float] = 0.45

    def __init__(self, anatomy: Tissue, block_px: float, density: float) -> None:
        super().__init__(anatomy, block_px, density)
        self._members = lru_cache(1 << 10)(self._populate)

    def _fits(self, discs: NDArray[np.float64]) -> bool:
        """Return whether discs (N, 3) lie in the corner of hard cases, clear of the sheet."""
        return bool((self.anatomy.corner(discs[:, 0], discs[:, 1]) > 0).all()) and super()._fits(
            discs
        )

    def _fix(self, row: int, column: int) -> list[Nucleus]:
        """Return a block's hard cases, its sheet, and the nuclei of its organs."""
        top, left = (math.floor(place * self.block_px) for place in (row, column))
        side, spill = math.ceil(self.block_px), math.ceil(_SPILL_UM / self.anatomy.mpp)
        members = [
            nucleus
            for organ in self.anatomy.organs.near(Window(top, left, side, side).grown(spill))
            for nucleus in self._members(organ)
            if (nucleus.centre[0] // self.block_px, nucleus.centre[1] // self.block_px)
            == (row, column)
        ]
        return super()._fix(row, column) + members

    def _throw(self, row: int, column: int) -> Iterator[Nucleus]:
        """Throw nuclei on a block's stroma, denser around organs and in inflammation."""
        rng = self._random(2, row, column)
        area_um2 = (self.block_px * self.anatomy.mpp) ** 2
        count = rng.poisson(area_um2 * 0.017 * self.density)
        places = rng.uniform((row, column), (row + 1, column + 1), (count, 2)) * self.block_px
        rows, columns = places.T
        free = self.anatomy.outside(rows, columns)
        crowd = np.where(self.anatomy.inflammation(rows, columns) > 0, 0.75, 0.4)
        wanted = (rng.random(count) < np.where(free < 40, crowd, 0.25)) & (free > 2.6)
        wanted &= (places < self.anatomy.shape).all(1) & (self.anatomy.tissue(rows, columns) > 2)
        for r, c in places[wanted].tolist():
            yield self._draw("interior", self._class_at(r, c, rng), (r, c), rng)

    def _class_at(self, row: float, column: float, rng: np.random.Generator) -> str:
        """Draw the class of a nucleus of the stroma."""
        crowded = self.anatomy.inflammation(row, column) > 0
        shares = (0.76, 0.97) if crowded else (0.30, 0.95)
        names = ("inflammatory", "spindle", "other")
        return names[int(np.searchsorted(shares, rng.random(), side="right"))]

    def _populate(self, organ: Organ) -> list[Nucleus]:
        """Return the nuclei of an organ that lie on tissue of the slide."""
        if not self.density:
            return []
        rng = self.anatomy.organs.random(2, organ.key)
        drawn = {
            "gland": self._gland,
            "nest": self._nest,
            "vessel": self._vessel,
            "fat": self._fat,
            "follicle": self._follicle,
        }[organ.kind](organ, rng)
        kept: list[Nucleus] = []
        taken = np.zeros((0, 3))
        for nucleus in drawn:
            row, column = nucleus.centre
            height, width = self.anatomy.shape
            if not (0 <= row < height and 0 <= column < width):
                continue
            if self.anatomy.tissue(row, column) < 2 or clashes(nucleus.discs, taken, self._gap_px):
                continue
            taken = np.concatenate([taken, nucleus.discs])
            kept.append(replace(nucleus, kind=self._situation(nucleus)))
        return kept

    def _gland(self, organ: Organ, rng: np.random.Generator) -> Iterator[Nucleus]:
        """Draw a palisade: nuclei across the rim, at its base."""
        yield from self._along(organ, rng, 6.8, (7.2, 0.9), "epithelial", _COLUMNAR, across=True)

    def _nest(self, organ: Organ, rng: np.random.Generator) -> Iterator[Nucleus]:
        """Draw a basal row, and nuclei of any direction inside."""
        yield from self._along(organ, rng, 7.0, (5.6, 0.4), "epithelial", _COLUMNAR, across=True)
        yield from self._filled(organ.inner(12 / self.anatomy.mpp), rng, 9.2, "epithelial", _ROUND)

    def _vessel(self, organ: Organ, rng: np.random.Generator) -> Iterator[Nucleus]:
        """Draw an endothelium, and the muscle of the wall."""
        yield from self._along(organ, rng, 17, (7.0, 0.2), "spindle", _FLAT, across=False)
        yield from self._along(organ, rng, 21, (2.6, 0.4), "spindle", _FLAT, across=False)

    def _fat(self, organ: Organ, rng: np.random.Generator) -> Iterator[Nucleus]:
        """Draw the flat nucleus of a fat cell, in about every second."""
        flat = list(self._along(organ, rng, 60, (1.3, 0.1), "spindle", _FLAT, across=False))
        yield from flat[: int(rng.random() < 0.5)]

    def _follicle(self, organ: Organ, rng: np.random.Generator) -> Iterator[Nucleus]:
        """Draw a pale germinal centre and its mantle of small lymphocytes."""
        mpp = self.anatomy.mpp
        centre = organ.inner(36 / mpp)
        yield from self._filled(centre, rng, 8.3, "inflammatory", _CENTRE)
        for nucleus in self._filled(
            organ.inner(-_SPILL_UM / mpp), rng, 6.2, "inflammatory", _LYMPHOID
        ):
            at = np.array(nucleus.centre)
            beyond = float(organ.reach(*at)[1]) * mpp
            if centre.reach(*at)[1] > 0 and rng.random() > (beyond + 6) / 14:
                yield nucleus

    def _shaped(
        self,
        name: str,
        axes: _Axes,
        centre: tuple[float, float],
        angle: float,
        rng: np.random.Generator,
    ) -> Nucleus:
        long, short = (rng.uniform(*span) / self.anatomy.mpp for span in axes)
        return Nucleus(0, "interior", name, centre, (long, short), angle, draw_radii(name, rng))

    def _along(
        self,
        organ: Organ,
        rng: np.random.Generator,
        step_um: float,
        depth_um: tuple[float, float],
        name: str,
        axes: _Axes,
        *,
        across: bool,
    ) -> Iterator[Nucleus]:
        """Draw nuclei at equal steps along a rim, at a depth of a mean and a deviation."""
        mpp = self.anatomy.mpp
        line = organ.inner(depth_um[0] / mpp).outline
        ring = np.concatenate([line, line[:1]])
        sides = np.hypot(*np.diff(ring, axis=0).T)
        run = np.concatenate([[0], np.cumsum(sides)])
        count = max(1, int(run[-1] * mpp / step_um))
        at = (np.arange(count) + rng.normal(0, 0.03, count) + rng.random()) * run[-1] / count
        at %= run[-1]
        places = np.stack([np.interp(at, run, ring[:, axis]) for axis in (0, 1)], axis=1)
        before, after = ((at + way / mpp) % run[-1] for way in (-2.0, 2.0))
        down, right = (
            np.interp(after, run, ring[:, axis]) - np.interp(before, run, ring[:, axis])
            for axis in (0, 1)
        )
        angles = np.arctan2(down, right) + (np.pi / 2 if across else 0) + rng.normal(0, 0.08, count)
        inward = organ.centre - places
        inward /= np.maximum(np.hypot(*inward.T), 1)[:, None]
        places += inward * rng.normal(0, depth_um[1] / mpp, count)[:, None]
        for (row, column), angle in zip(places.tolist(), angles.tolist(), strict=True):
            yield self._shaped(name, axes, (row, column), angle, rng)

    def _filled(
        self, organ: Organ, rng: np.random.Generator, pitch_um: float, name: str, axes: _Axes
    ) -> Iterator[Nucleus]:
        """Draw nuclei of any direction on a jittered hexagonal lattice inside an outline."""
        pitch = pitch_um / self.anatomy.mpp
        count = math.ceil(organ.axes[0] / pitch / 0.866)
        a, b = np.mgrid[-count : count + 1, -count : count + 1].reshape(2, -1)
        sites = np.stack([a * 0.866, b + a % 2 / 2], axis=1) * pitch
        turn = rng.uniform(0, np.pi)
        cos, sin = math.cos(turn), math.sin(turn)
        sites = sites @ np.array([[cos, sin], [-sin, cos]])
        sites += rng.uniform(-0.10, 0.10, sites.shape) * pitch + organ.centre
        inside = organ.reach(*sites.T)[1] * self.anatomy.mpp < -axes[1][1]
        for row, column in sites[inside].tolist():
            yield self._shaped(name, axes, (row, column), rng.uniform(0, np.pi), rng)
