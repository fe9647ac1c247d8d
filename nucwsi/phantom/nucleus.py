"""The shape of one nucleus of the phantom: an ellipse with dents, of the size of its class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nucwsi.grid import Window

#: Corners of an outline, and the angle at which each stands in the ellipse of its own.
_CORNERS = 48
TURN = np.arange(_CORNERS) * (2 * np.pi / _CORNERS)

#: Class -> semi-axes (shortest and longest of each, µm), exponent of the superellipse, roughness.
_SHAPES: dict[str, tuple[tuple[float, float], tuple[float, float], float, float]] = {
    "epithelial": ((4.0, 5.8), (3.0, 4.1), 2.0, 0.05),
    "inflammatory": ((2.4, 3.1), (2.2, 2.8), 2.0, 0.05),
    "spindle": ((5.5, 9.5), (1.2, 1.9), 1.7, 0.05),
    "other": ((3.0, 5.5), (2.2, 3.8), 2.0, 0.30),
}

#: The classes of the phantom's nuclei, in the order of their codes.
CLASSES = tuple(_SHAPES)


class Outline:
    """A closed line around a centre: an ellipse with dents.

    Attributes
    ----------
    centre : (float, float)
        Row and column in level-0 pixels.
    axes : (float, float)
        Semi-axes in level-0 pixels.
    angle : float
        Direction of the first axis in radians, counted from the column axis to the row axis.
    radii : (48,) ndarray of float
        Radius of the outline at 48 equal turns, as a share of the ellipse's; at most 1.
    """

    centre: tuple[float, float]
    axes: tuple[float, float]
    angle: float
    radii: NDArray[np.float64]

    @cached_property
    def outline(self) -> NDArray[np.float64]:
        """(48, 2) ndarray: rows and columns in level-0 pixels; may reach beyond the slide."""
        u = self.radii * np.cos(TURN) * self.axes[0]
        v = self.radii * np.sin(TURN) * self.axes[1]
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.stack([u * sin + v * cos, u * cos - v * sin], axis=1) + self.centre

    def box(self, margin_px: float = 0.0, scale: float = 1.0) -> Window:
        """Return the smallest window of whole pixels around the outline and a margin.

        Parameters
        ----------
        margin_px : float
            Width of the margin in pixels of the grid that `scale` names.
        scale : float
            Level-0 pixels per pixel of the grid, along each axis.

        Returns
        -------
        Window
            Pixels of the grid; may reach beyond the slide.
        """
        low = np.floor(self.outline.min(0) / scale - margin_px).astype(int)
        high = np.ceil(self.outline.max(0) / scale + margin_px).astype(int)
        return Window(int(low[0]), int(low[1]), *(int(side) for side in high - low))

    @cached_property
    def _edges(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Normals (48,) of the edges in the ellipse's coordinates, and their length per pixel."""
        x, y = self.radii * np.cos(TURN), self.radii * np.sin(TURN)
        dx, dy = np.roll(x, -1) - x, np.roll(y, -1) - y
        area = x * dy - y * dx
        normal_u, normal_v = dy / area, -dx / area
        slope = np.hypot(normal_u / self.axes[0], normal_v / self.axes[1])
        return normal_u.astype(np.float32), normal_v.astype(np.float32), slope.astype(np.float32)

    def reach(
        self, rows: NDArray[np.floating], columns: NDArray[np.floating]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Measure how far points lie from the centre and from the outline.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other to (H, W).

        Returns
        -------
        share : (H, W) ndarray of float
            0 at the centre, below 1 inside, 1 on the outline.
        distance : (H, W) ndarray of float
            Distance to the outline in level-0 pixels, negative inside.
        """
        y = np.asarray(rows - self.centre[0], np.float32)
        x = np.asarray(columns - self.centre[1], np.float32)
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        u = (x * cos + y * sin) / np.float32(self.axes[0])
        v = (y * cos - x * sin) / np.float32(self.axes[1])
        turns = np.arctan2(v, u) * np.float32(_CORNERS / (2 * np.pi))
        sector = np.floor(turns).astype(np.int32) % _CORNERS
        normal_u, normal_v, slope = self._edges
        share = u * normal_u[sector] + v * normal_v[sector]
        return share, (share - 1) / slope[sector]

    @cached_property
    def discs(self) -> NDArray[np.float64]:
        """(N, 3) ndarray: row, column and radius, in level-0 pixels, of discs that nearly cover it.

        An outline reaches beyond them by less than a quarter of the shorter axis.
        """
        long, short = self.axes
        count = 1 if long < 1.2 * short else 1 + math.ceil(2 * long / short)
        place = (
            np.linspace(-1, 1, count) * max(0.0, long - 0.8 * short) if count > 1 else np.zeros(1)
        )
        radius = np.full(count, long if count == 1 else 1.05 * short)
        row = self.centre[0] + place * math.sin(self.angle)
        return np.stack([row, self.centre[1] + place * math.cos(self.angle), radius], axis=1)


@dataclass(frozen=True, eq=False)
class Nucleus(Outline):
    """One nucleus.

    Attributes
    ----------
    id : int
        Unique on the slide.
    kind : str
        Why it is there: ``interior``, ``seam``, ``corner``, ``giant``, ``chain``, ``sheet`` or
        ``edge``.
    class_name : str
        One of `CLASSES`.
    centre, axes, angle, radii
        As of `Outline`.
    """

    id: int
    kind: str
    class_name: str
    centre: tuple[float, float]
    axes: tuple[float, float]
    angle: float
    radii: NDArray[np.float64]


def clashes(discs: NDArray[np.float64], others: NDArray[np.float64], gap_px: float) -> bool:
    """Return whether any disc of one set comes too close to a disc of the other.

    Parameters
    ----------
    discs, others : (N, 3) and (M, 3) ndarray of float64
        Row, column and radius in level-0 pixels, as `Nucleus.discs`.
    gap_px : float
        Smallest distance that is allowed between two discs, in level-0 pixels.

    Returns
    -------
    bool
        False if either set is empty.
    """
    apart = np.hypot(discs[:, None, 0] - others[:, 0], discs[:, None, 1] - others[:, 1])
    return bool((apart < discs[:, None, 2] + others[:, 2] + gap_px).any())


def draw_axes(class_name: str, mpp: float, rng: np.random.Generator) -> tuple[float, float]:
    """Draw the semi-axes of a nucleus, uniformly from the range of its class.

    Parameters
    ----------
    class_name : str
        One of `CLASSES`.
    mpp : float
        µm per level-0 pixel.
    rng : numpy.random.Generator
        Source of randomness; two numbers are drawn.

    Returns
    -------
    (float, float)
        In level-0 pixels.
    """
    long, short, *_ = _SHAPES[class_name]
    return rng.uniform(*long) / mpp, rng.uniform(*short) / mpp


def draw_radii(class_name: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a dented outline: a superellipse times four random waves around it.

    Parameters
    ----------
    class_name : str
        One of `CLASSES`, which decides exponent and roughness.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    (48,) ndarray of float64
        As `Nucleus.radii`: 0.45 to 1.
    """
    *_, exponent, rough = _SHAPES[class_name]
    radii = (np.abs(np.cos(TURN)) ** exponent + np.abs(np.sin(TURN)) ** exponent) ** (-1 / exponent)
    waves = np.arange(2, 6)
    swing = rng.normal(0, rough, waves.size) / (waves - 1)
    radii *= 1 + (swing * np.cos(np.outer(TURN, waves) + rng.uniform(0, 6.3, waves.size))).sum(1)
    return np.clip(radii / radii.max(), 0.45, 1)


def draw_touching(
    centres: NDArray[np.float64], radius_px: float, class_name: str, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Draw round outlines, each cut half way to every neighbour that it would overlap.

    Parameters
    ----------
    centres : (N, 2) ndarray of float64
        Row and column in level-0 pixels.
    radius_px : float
        Radius of every nucleus in level-0 pixels.
    class_name : str
        One of `CLASSES`.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    list of (48,) ndarray of float64
        As `Nucleus.radii`, one for each centre.
    """
    pairs = cKDTree(centres).query_pairs(2 * radius_px, output_type="ndarray")
    outlines = [draw_radii(class_name, rng) for _ in centres]
    for one, other in np.concatenate([pairs, pairs[:, ::-1]]):
        offset = centres[other] - centres[one]
        outlines[one] = _cut(outlines[one], radius_px, (float(offset[0]), float(offset[1])))
    return outlines


def _cut(
    radii: NDArray[np.float64], radius_px: float, offset: tuple[float, float]
) -> NDArray[np.float64]:
    """Cut a round outline along the line half way to its neighbour, where the two then touch."""
    apart = math.hypot(*offset)
    facing = np.cos(TURN - math.atan2(*offset))
    limit = np.where(facing > 1e-6, apart / 2 / radius_px / np.maximum(facing, 1e-6), np.inf)
    return np.minimum(radii, limit)
