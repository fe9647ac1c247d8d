"""The shapes of the phantom's nuclei, and where they lie.

The slide is cut into blocks of 256 canvas pixels, and the nuclei of a block follow from the seed
and from its neighbours alone. What must be there comes first: a dense sheet, giants, chains, and
nuclei centred on corners and seams. Then nuclei are thrown at random, keeping clear of all that
lie there already. Blocks take turns in four colours, as on a map: a block waits for neighbours of
lower colour only, hence no more than three blocks away anything is ever needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nucwsi.grid import Window
from nucwsi.phantom.fields import Anatomy

#: Corners of an outline.
_K = 48
_TURN = np.arange(_K) * (2 * np.pi / _K)
#: Canvas pixels between the seams that nuclei are placed on; 512 and 1024 are multiples of it.
SEAM_PX = 256
#: Smallest distance between nuclei that do not touch, in µm.
_GAP_UM = 0.7
#: Half the length of a giant, in canvas pixels: longer than any halo is wide.
_GIANT_PX = 132.0

#: Class -> semi-axes (shortest and longest of each, µm), exponent of the superellipse, roughness.
_SHAPES: dict[str, tuple[tuple[float, float], tuple[float, float], float, float]] = {
    "epithelial": ((4.0, 5.8), (3.0, 4.1), 2.0, 0.05),
    "inflammatory": ((2.4, 3.1), (2.2, 2.8), 2.0, 0.05),
    "spindle": ((5.5, 9.5), (1.2, 1.9), 1.7, 0.05),
    "other": ((3.0, 5.5), (2.2, 3.8), 2.0, 0.30),
}
CLASSES = tuple(_SHAPES)
_THROWN = ("interior", "seam", "edge")


@dataclass(frozen=True, eq=False)
class Nucleus:
    """One nucleus: an ellipse with dents.

    Attributes
    ----------
    id : int
        Unique on the slide.
    kind : str
        ``interior``, ``seam``, ``corner``, ``giant``, ``chain``, ``sheet`` or ``edge``.
    class_name : str
        One of `CLASSES`.
    centre : (float, float)
        Row and column in level-0 pixels.
    axes : (float, float)
        Semi-axes in level-0 pixels.
    angle : float
        Of the first axis, in radians from columns to rows.
    radii : (48,) ndarray of float
        The outline in the ellipse's own coordinates, at equal turns; at most 1.
    """

    id: int
    kind: str
    class_name: str
    centre: tuple[float, float]
    axes: tuple[float, float]
    angle: float
    radii: NDArray[np.float64]

    @cached_property
    def outline(self) -> NDArray[np.float64]:
        """Corners as (48, 2) rows and columns in level-0 pixels; may reach beyond the slide."""
        u = self.radii * np.cos(_TURN) * self.axes[0]
        v = self.radii * np.sin(_TURN) * self.axes[1]
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.stack([u * sin + v * cos, u * cos - v * sin], axis=1) + self.centre

    def box(self, margin_px: float = 0.0) -> Window:
        """Return the smallest window of whole level-0 pixels around the nucleus and a margin.

        Parameters
        ----------
        margin_px : float

        Returns
        -------
        Window
        """
        low = np.floor(self.outline.min(0) - margin_px).astype(int)
        high = np.ceil(self.outline.max(0) + margin_px).astype(int)
        return Window(int(low[0]), int(low[1]), *(int(side) for side in high - low))

    @cached_property
    def _edges(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        x, y = self.radii * np.cos(_TURN), self.radii * np.sin(_TURN)
        dx, dy = np.roll(x, -1) - x, np.roll(y, -1) - y
        area = x * dy - y * dx
        normal_u, normal_v = dy / area, -dx / area
        slope = np.hypot(normal_u / self.axes[0], normal_v / self.axes[1])
        return normal_u.astype(np.float32), normal_v.astype(np.float32), slope.astype(np.float32)

    def reach(
        self, rows: NDArray[np.floating], columns: NDArray[np.floating]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Tell where points lie between the centre and the outline, and beyond.

        Parameters
        ----------
        rows, columns : ndarray of float
            Level-0 pixels; broadcast against each other.

        Returns
        -------
        share : ndarray of float
            0 at the centre, below 1 inside, 1 on the outline.
        distance : ndarray of float
            To the outline in level-0 pixels, positive outside.
        """
        y = np.asarray(rows - self.centre[0], np.float32)
        x = np.asarray(columns - self.centre[1], np.float32)
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        u = (x * cos + y * sin) / np.float32(self.axes[0])
        v = (y * cos - x * sin) / np.float32(self.axes[1])
        sector = np.floor(np.arctan2(v, u) * np.float32(_K / (2 * np.pi))).astype(np.int32) % _K
        normal_u, normal_v, slope = self._edges
        share = u * normal_u[sector] + v * normal_v[sector]
        return share, (share - 1) / slope[sector]

    @cached_property
    def discs(self) -> NDArray[np.float64]:
        """Discs that cover the ellipse, as (N, 3) row, column and radius."""
        long, short = self.axes
        count = 1 if long < 1.2 * short else 1 + math.ceil(2 * long / short)
        place = (
            np.linspace(-1, 1, count) * max(0.0, long - 0.8 * short) if count > 1 else np.zeros(1)
        )
        radius = np.full(count, long if count == 1 else 1.05 * short)
        row = self.centre[0] + place * math.sin(self.angle)
        return np.stack([row, self.centre[1] + place * math.cos(self.angle), radius], axis=1)


def _clashes(discs: NDArray[np.float64], others: NDArray[np.float64], gap: float) -> bool:
    apart = np.hypot(discs[:, None, 0] - others[:, 0], discs[:, None, 1] - others[:, 1])
    return bool((apart < discs[:, None, 2] + others[:, 2] + gap).any())


def _radii(class_name: str, rng: np.random.Generator) -> NDArray[np.float64]:
    *_, exponent, rough = _SHAPES[class_name]
    radii = (np.abs(np.cos(_TURN)) ** exponent + np.abs(np.sin(_TURN)) ** exponent) ** (
        -1 / exponent
    )
    waves = np.arange(2, 6)
    swing = rng.normal(0, rough, waves.size) / (waves - 1)
    radii *= 1 + (swing * np.cos(np.outer(_TURN, waves) + rng.uniform(0, 6.3, waves.size))).sum(1)
    return np.clip(radii / radii.max(), 0.45, 1)


def _cut(
    radii: NDArray[np.float64], axis_px: float, offset: tuple[float, float]
) -> NDArray[np.float64]:
    # Cut a round nucleus along the line half way to its neighbour, so that the two touch there.
    apart = math.hypot(*offset)
    facing = np.cos(_TURN - math.atan2(*offset))
    limit = np.where(facing > 1e-6, apart / 2 / axis_px / np.maximum(facing, 1e-6), np.inf)
    return np.minimum(radii, limit)


@dataclass(frozen=True)
class _Group:
    """Nuclei that are kept or given up together; of two that clash the higher rank stays."""

    rank: float
    nuclei: list[Nucleus]

    @cached_property
    def discs(self) -> NDArray[np.float64]:
        return np.concatenate([nucleus.discs for nucleus in self.nuclei])


class Layout:
    """Places the nuclei of a slide, block by block.

    Parameters
    ----------
    anatomy : Anatomy
    block_px : float
        Side of a block, i.e. `SEAM_PX` canvas pixels, in level-0 pixels.
    density : float
        1 for nuclei as dense as in common tissue.
    """

    def __init__(self, anatomy: Anatomy, block_px: float, density: float) -> None:
        self.anatomy = anatomy
        self.block_px = block_px
        self.density = density
        self.n_rows, self.n_columns = (math.ceil(side / block_px) for side in anatomy.shape)
        self._gap_px = _GAP_UM / anatomy.mpp
        # Enough to go through a slide row by row; older blocks are made again.
        kept = 64 + 5 * self.n_columns
        self._proposed = lru_cache(kept)(self._propose)
        self._fixed = lru_cache(kept)(self._fix)
        self.block = lru_cache(kept)(self._fill)

    def touching(self, window: Window) -> Iterator[Nucleus]:
        """Yield the nuclei whose box meets a window, always in the same order.

        Parameters
        ----------
        window : Window
            Level-0 pixels.

        Yields
        ------
        Nucleus
        """
        first_row, last_row = self._blocks(window.row, window.row_stop, self.n_rows)
        first_column, last_column = self._blocks(window.column, window.column_stop, self.n_columns)
        for row in range(first_row, last_row):
            for column in range(first_column, last_column):
                for nucleus in self.block(row, column):
                    if nucleus.box().intersection(window) is not None:
                        yield nucleus

    def _blocks(self, start: int, stop: int, count: int) -> tuple[int, int]:
        # The centre of a nucleus lies at most half a giant away from its pixels.
        return (
            max(0, math.floor(start / self.block_px - 0.6)),
            min(count, math.ceil(stop / self.block_px + 0.6)),
        )

    def _around(self, row: int, column: int) -> Iterator[tuple[int, int]]:
        for r in range(max(0, row - 1), min(self.n_rows, row + 2)):
            for c in range(max(0, column - 1), min(self.n_columns, column + 2)):
                yield r, c

    def _random(self, stream: int, row: int = 0, column: int = 0) -> np.random.Generator:
        return np.random.default_rng((self.anatomy.seed, 100 + stream, row, column))

    def _draw(
        self, kind: str, name: str, centre: tuple[float, float], rng: np.random.Generator
    ) -> Nucleus:
        long, short, *_ = _SHAPES[name]
        axes = rng.uniform(*long) / self.anatomy.mpp, rng.uniform(*short) / self.anatomy.mpp
        angle = rng.uniform(0, np.pi)
        if name == "spindle":
            angle = self.anatomy.fibre_angle(*centre) + rng.normal(0, 0.25)
        return Nucleus(0, kind, name, centre, axes, angle, _radii(name, rng))

    def _giant(self, centre: tuple[float, float], rng: np.random.Generator) -> Nucleus:
        axes = _GIANT_PX * self.block_px / SEAM_PX, rng.uniform(4, 6) / self.anatomy.mpp
        angle = self.anatomy.fibre_angle(*centre) + rng.normal(0, 0.3)
        return Nucleus(0, "giant", "spindle", centre, axes, angle, _radii("spindle", rng))

    def _chain(self, centre: tuple[float, float], rng: np.random.Generator) -> list[Nucleus]:
        name = "inflammatory" if rng.random() < 0.5 else "epithelial"
        radius = rng.uniform(*((2.7, 3.1) if name == "inflammatory" else (3.6, 4.2)))
        radius /= self.anatomy.mpp
        count = int(rng.integers(3, 13))
        heading = rng.uniform(0, np.pi) + np.cumsum(rng.normal(0, 0.15, count))
        steps = 1.6 * radius * np.stack([np.sin(heading), np.cos(heading)], axis=1)
        centres = np.cumsum(steps, axis=0)
        centres += np.asarray(centre) - centres.mean(0)
        return [
            Nucleus(0, "chain", name, (float(r), float(c)), (radius, radius), 0.0, radii)
            for (r, c), radii in zip(centres, _packed(centres, radius, name, rng), strict=True)
        ]

    def _propose(self, row: int, column: int) -> list[_Group]:
        rng = self._random(0, row, column)
        top, left, side = row * self.block_px, column * self.block_px, self.block_px
        groups = []
        if row and column:
            if (row + 2 * column) % 7 == 4 or rng.random() < 0.1:
                groups.append(_Group(3 + rng.random(), [self._giant((top, left), rng)]))
            else:
                nucleus = self._draw("corner", self._class_at(top, left, rng), (top, left), rng)
                groups.append(_Group(1 + rng.random(), [nucleus]))
        slots = [(top, left + side * rng.uniform(0.35, 0.65), row)]
        slots.append((top + side * rng.uniform(0.35, 0.65), left, column))
        for r, c, seam in slots:
            if seam and rng.random() < 0.3:
                groups.append(_Group(2 + rng.random(), self._chain((r, c), rng)))
            elif seam:
                nucleus = self._draw("seam", self._class_at(r, c, rng), (r, c), rng)
                groups.append(_Group(rng.random(), [nucleus]))
        return [group for group in groups if self._fits(group.discs)]

    def _fits(self, discs: NDArray[np.float64]) -> bool:
        height, width = self.anatomy.shape
        row, column, radius = self.anatomy.sheet
        rows, columns = discs[:, 0], discs[:, 1]
        return bool(
            ((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)).all()
            and (self.anatomy.tissue(rows, columns) > 0).all()
            and not _clashes(discs, np.array([[row, column, radius]]), self._gap_px)
        )

    def _fix(self, row: int, column: int) -> list[Nucleus]:
        rivals = [group for near in self._around(row, column) for group in self._proposed(*near)]
        kept = [
            nucleus
            for group in self._proposed(row, column)
            if not any(
                _clashes(group.discs, rival.discs, self._gap_px)
                for rival in rivals
                if rival.rank > group.rank
            )
            for nucleus in group.nuclei
        ]
        return kept + self._sheet.get((row, column), [])

    @cached_property
    def _sheet(self) -> dict[tuple[int, int], list[Nucleus]]:
        row, column, radius = self.anatomy.sheet
        rng = self._random(1)
        pitch, size = 7.2 / self.anatomy.mpp, 4.0 / self.anatomy.mpp
        count = math.ceil(radius / pitch / 0.866)
        a, b = np.mgrid[-count : count + 1, -count : count + 1].reshape(2, -1)
        sites = np.stack([a * 0.866, b + a % 2 / 2], axis=1) * pitch
        sites += rng.uniform(-0.09, 0.09, sites.shape) * pitch
        sites = sites[np.hypot(*sites.T) < radius - size] + (row, column)
        blocks: dict[tuple[int, int], list[Nucleus]] = {}
        for (r, c), radii in zip(sites, _packed(sites, size, "epithelial", rng), strict=True):
            name = "epithelial" if rng.random() < 0.5 else "inflammatory"
            nucleus = Nucleus(0, "sheet", name, (float(r), float(c)), (size, size), 0.0, radii)
            blocks.setdefault((int(r // self.block_px), int(c // self.block_px)), []).append(
                nucleus
            )
        return blocks

    def _class_at(self, row: float, column: float, rng: np.random.Generator) -> str:
        if self.anatomy.epithelium(row, column) > 0:
            shares = (0.88, 0.05, 0.02, 0.05)
        elif self.anatomy.inflammation(row, column) > 0:
            shares = (0.02, 0.75, 0.18, 0.05)
        else:
            shares = (0.03, 0.22, 0.65, 0.10)
        return CLASSES[int(np.searchsorted(np.cumsum(shares)[:-1], rng.random(), side="right"))]

    def _fill(self, row: int, column: int) -> list[Nucleus]:
        near = [nucleus for place in self._around(row, column) for nucleus in self._fixed(*place)]
        for r, c in self._around(row, column):
            if 2 * (r % 2) + c % 2 < 2 * (row % 2) + column % 2:
                near += [nucleus for nucleus in self.block(r, c) if nucleus.kind in _THROWN]
        taken = np.concatenate([np.zeros((0, 3)), *(nucleus.discs for nucleus in near)])
        nuclei = list(self._fixed(row, column))
        for nucleus in self._throw(row, column):
            if not _clashes(nucleus.discs, taken, self._gap_px):
                taken = np.concatenate([taken, nucleus.discs])
                nuclei.append(replace(nucleus, kind=self._situation(nucleus)))
        first = (row * self.n_columns + column) * 4096 + 1
        return [replace(nucleus, id=first + index) for index, nucleus in enumerate(nuclei)]

    def _throw(self, row: int, column: int) -> Iterator[Nucleus]:
        rng = self._random(2, row, column)
        area_um2 = (self.block_px * self.anatomy.mpp) ** 2
        count = rng.poisson(area_um2 * 0.017 * self.density)
        places = rng.uniform((row, column), (row + 1, column + 1), (count, 2)) * self.block_px
        rows, columns = places.T
        crowd = (self.anatomy.epithelium(rows, columns) > 0) | (
            self.anatomy.inflammation(rows, columns) > 0
        )
        wanted = (rng.random(count) < np.where(crowd, 1.0, 0.25)) & (
            places < self.anatomy.shape
        ).all(1)
        for r, c in places[wanted & (self.anatomy.tissue(rows, columns) > 0)].tolist():
            yield self._draw("interior", self._class_at(r, c, rng), (r, c), rng)

    def _situation(self, nucleus: Nucleus) -> str:
        outline = nucleus.outline
        low, high = outline.min(0), outline.max(0)
        beyond = (low < 0).any() or (high > self.anatomy.shape).any()
        if beyond or (self.anatomy.tissue(*outline[::6].T) < 0).any():
            return "edge"
        return "seam" if (low // self.block_px != high // self.block_px).any() else "interior"


def _packed(
    centres: NDArray[np.float64], radius: float, name: str, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    # Round outlines, each cut half way to the neighbours it would overlap.
    pairs = cKDTree(centres).query_pairs(2 * radius, output_type="ndarray")
    outlines = [_radii(name, rng) for _ in centres]
    for one, other in np.concatenate([pairs, pairs[:, ::-1]]):
        offset = centres[other] - centres[one]
        outlines[one] = _cut(outlines[one], radius, (float(offset[0]), float(offset[1])))
    return outlines
