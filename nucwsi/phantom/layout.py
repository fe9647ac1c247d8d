"""Where the phantom's nuclei lie.

The slide is cut into blocks of 256 canvas pixels, and the nuclei of a block follow from the seed
and from the neighbouring blocks alone. The nuclei that must exist come first: a dense sheet,
giants, chains, and nuclei centred on corners and seams. Then nuclei are thrown at random, and kept
where they stay clear of all that lie there already. Blocks take turns in four colours, as on a map:
a block waits for neighbours of lower colour only, so it never depends on more than the blocks
three steps away.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Window
from nucwsi.phantom.anatomy import Anatomy
from nucwsi.phantom.nucleus import (
    CLASSES,
    Nucleus,
    clashes,
    draw_axes,
    draw_radii,
    draw_touching,
)

#: Canvas pixels between the seams that nuclei are placed on; core sizes such as 512 and 1024 are
#: multiples of it.
SEAM_PX = 256
#: Smallest distance between nuclei that do not touch, in µm.
_GAP_UM = 0.7
#: Half the length of a giant, in canvas pixels: longer than any halo is wide.
_GIANT_PX = 132.0

#: Kinds of the nuclei that are thrown at random; the others are there on purpose.
_THROWN = ("interior", "seam", "edge")


@dataclass(frozen=True)
class _Group:
    """Nuclei that are kept or dropped together; of two groups that clash the higher rank stays."""

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
        The slide's tissue, shape and seed.
    block_px : float
        Side of a block, i.e. `SEAM_PX` canvas pixels, in level-0 pixels.
    density : float
        1 for nuclei as dense as in common tissue.
    """

    #: Share of the corners that hold a giant, beside every seventh.
    giants: ClassVar[float] = 0.1

    def __init__(self, anatomy: Anatomy, block_px: float, density: float) -> None:
        self.anatomy = anatomy
        self.block_px = block_px
        self.density = density
        self.n_rows, self.n_columns = (math.ceil(side / block_px) for side in anatomy.shape)
        self._gap_px = _GAP_UM / anatomy.mpp
        # Enough blocks to walk the slide row by row; an older block is computed again.
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
            Block by block in row-major order.
        """
        first_row, last_row = self._blocks(window.row, window.row_stop, self.n_rows)
        first_column, last_column = self._blocks(window.column, window.column_stop, self.n_columns)
        for row in range(first_row, last_row):
            for column in range(first_column, last_column):
                for nucleus in self.block(row, column):
                    if nucleus.box().intersection(window) is not None:
                        yield nucleus

    def _blocks(self, start: int, stop: int, count: int) -> tuple[int, int]:
        """Return the half-open range of blocks whose nuclei can reach the pixels start to stop."""
        # The centre of a nucleus lies at most half a giant away from its pixels.
        return (
            max(0, math.floor(start / self.block_px - 0.6)),
            min(count, math.ceil(stop / self.block_px + 0.6)),
        )

    def _around(self, row: int, column: int) -> Iterator[tuple[int, int]]:
        """Yield the row and column of a block and its neighbours, at most nine."""
        for r in range(max(0, row - 1), min(self.n_rows, row + 2)):
            for c in range(max(0, column - 1), min(self.n_columns, column + 2)):
                yield r, c

    def _random(self, stream: int, row: int = 0, column: int = 0) -> np.random.Generator:
        return np.random.default_rng((self.anatomy.seed, 100 + stream, row, column))

    def _draw(
        self, kind: str, class_name: str, centre: tuple[float, float], rng: np.random.Generator
    ) -> Nucleus:
        axes = draw_axes(class_name, self.anatomy.mpp, rng)
        angle = rng.uniform(0, np.pi)
        if class_name == "spindle":
            angle = self.anatomy.fibre_angle(*centre) + rng.normal(0, 0.25)
        return Nucleus(0, kind, class_name, centre, axes, angle, draw_radii(class_name, rng))

    def _giant(self, centre: tuple[float, float], rng: np.random.Generator) -> Nucleus:
        axes = _GIANT_PX * self.block_px / SEAM_PX, rng.uniform(4, 6) / self.anatomy.mpp
        angle = self.anatomy.fibre_angle(*centre) + rng.normal(0, 0.3)
        return Nucleus(0, "giant", "spindle", centre, axes, angle, draw_radii("spindle", rng))

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
            for (r, c), radii in zip(
                centres, draw_touching(centres, radius, name, rng), strict=True
            )
        ]

    def _propose(self, row: int, column: int) -> list[_Group]:
        """Draw the nuclei on a block's upper left corner and on its upper and left seams."""
        rng = self._random(0, row, column)
        top, left, side = row * self.block_px, column * self.block_px, self.block_px
        groups = []
        if row and column:
            if (row + 2 * column) % 7 == 4 or rng.random() < self.giants:
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
        """Return whether discs (N, 3) lie on tissue of the slide and clear of the sheet."""
        height, width = self.anatomy.shape
        row, column, radius = self.anatomy.sheet
        rows, columns = discs[:, 0], discs[:, 1]
        return bool(
            ((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)).all()
            and (self.anatomy.tissue(rows, columns) > 0).all()
            and not clashes(discs, np.array([[row, column, radius]]), self._gap_px)
        )

    def _fix(self, row: int, column: int) -> list[Nucleus]:
        """Keep a block's proposals that no rival of higher rank displaces, and its sheet."""
        rivals = [group for near in self._around(row, column) for group in self._proposed(*near)]
        kept = [
            nucleus
            for group in self._proposed(row, column)
            if not any(
                clashes(group.discs, rival.discs, self._gap_px)
                for rival in rivals
                if rival.rank > group.rank
            )
            for nucleus in group.nuclei
        ]
        return kept + self._sheet.get((row, column), [])

    @cached_property
    def _sheet(self) -> dict[tuple[int, int], list[Nucleus]]:
        """Touching nuclei on a jittered hexagonal lattice, by the row and column of their block."""
        row, column, radius = self.anatomy.sheet
        rng = self._random(1)
        pitch, size = 7.2 / self.anatomy.mpp, 4.0 / self.anatomy.mpp
        count = math.ceil(radius / pitch / 0.866)
        a, b = np.mgrid[-count : count + 1, -count : count + 1].reshape(2, -1)
        sites = np.stack([a * 0.866, b + a % 2 / 2], axis=1) * pitch
        sites += rng.uniform(-0.09, 0.09, sites.shape) * pitch
        sites = sites[np.hypot(*sites.T) < radius - size] + (row, column)
        blocks: dict[tuple[int, int], list[Nucleus]] = {}
        for (r, c), radii in zip(sites, draw_touching(sites, size, "epithelial", rng), strict=True):
            name = "epithelial" if rng.random() < 0.5 else "inflammatory"
            nucleus = Nucleus(0, "sheet", name, (float(r), float(c)), (size, size), 0.0, radii)
            blocks.setdefault((int(r // self.block_px), int(c // self.block_px)), []).append(
                nucleus
            )
        return blocks

    def _class_at(self, row: float, column: float, rng: np.random.Generator) -> str:
        """Draw the class of a nucleus by the tissue at its centre."""
        if self.anatomy.epithelium(row, column) > 0:
            shares = (0.88, 0.05, 0.02, 0.05)
        elif self.anatomy.inflammation(row, column) > 0:
            shares = (0.02, 0.75, 0.18, 0.05)
        else:
            shares = (0.03, 0.22, 0.65, 0.10)
        return CLASSES[int(np.searchsorted(np.cumsum(shares)[:-1], rng.random(), side="right"))]

    def _fill(self, row: int, column: int) -> list[Nucleus]:
        """Return all nuclei of a block with their ids; those thrown at random come last."""
        near = [nucleus for place in self._around(row, column) for nucleus in self._fixed(*place)]
        for r, c in self._around(row, column):
            if 2 * (r % 2) + c % 2 < 2 * (row % 2) + column % 2:
                near += [nucleus for nucleus in self.block(r, c) if nucleus.kind in _THROWN]
        taken = np.concatenate([np.zeros((0, 3)), *(nucleus.discs for nucleus in near)])
        nuclei = list(self._fixed(row, column))
        for nucleus in self._throw(row, column):
            if not clashes(nucleus.discs, taken, self._gap_px):
                taken = np.concatenate([taken, nucleus.discs])
                nuclei.append(replace(nucleus, kind=self._situation(nucleus)))
        first = (row * self.n_columns + column) * 4096 + 1
        return [replace(nucleus, id=first + index) for index, nucleus in enumerate(nuclei)]

    def _throw(self, row: int, column: int) -> Iterator[Nucleus]:
        """Throw nuclei on a block's tissue, denser in epithelium and inflammation."""
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
        """Return the kind of a nucleus that was thrown: ``edge``, ``seam`` or ``interior``."""
        outline = nucleus.outline
        low, high = outline.min(0), outline.max(0)
        beyond = (low < 0).any() or (high > self.anatomy.shape).any()
        if beyond or (self.anatomy.tissue(*outline[::6].T) < 0).any():
            return "edge"
        return "seam" if (low // self.block_px != high // self.block_px).any() else "interior"
