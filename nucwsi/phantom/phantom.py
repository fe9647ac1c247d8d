"""The phantom itself: its nuclei, its picture, its labels, and the maps of a perfect network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon, box

from nucwsi.grid import Frame, Window
from nucwsi.labels.targets import hv_targets
from nucwsi.phantom.anatomy import Anatomy
from nucwsi.phantom.layout import SEAM_PX, Layout
from nucwsi.phantom.nucleus import CLASSES, Nucleus
from nucwsi.phantom.painter import Painter
from nucwsi.phantom.tissue import Tissue
from nucwsi.phantom.tissue_layout import TissueLayout
from nucwsi.phantom.tissue_painter import TissuePainter

#: What a phantom can show.
SCENES = ("seams", "tissue")


@dataclass(frozen=True)
class Phantom:
    """A painted slide of any size; any window of it is painted alone, identically.

    Attributes
    ----------
    shape : (int, int)
        Height and width of level 0 in pixels.
    mpp : float
        µm per level-0 pixel.
    seed : int
        Seed of everything random: phantoms with the same attributes are identical.
    density : float
        1 for nuclei as dense as in common tissue; at most 3.
    working_mpp : float
        µm per pixel of the canvas on whose seams and corners nuclei are placed.
    scene : str
        One of `SCENES`. ``seams`` holds what breaks tiled segmentation all over; ``tissue`` looks
        like tissue, and holds that in its lower right corner.

    Raises
    ------
    ValueError
        If a side, a resolution, the seed or the density is out of range, or the scene is unknown.
    """

    shape: tuple[int, int] = (3000, 4000)
    mpp: float = 0.25
    seed: int = 1
    density: float = 1.0
    working_mpp: float = 0.5
    # The name of a nucleus in a truth holds the representation, and those of `seams` stay.
    scene: str = field(default="seams", repr=False)

    def __post_init__(self) -> None:
        if self.scene not in SCENES:
            raise ValueError(f"scene {self.scene!r} is unknown; expected {' or '.join(SCENES)}")
        if min(self.shape) < 64:
            raise ValueError(f"a phantom needs at least 64 x 64 px, got {self.shape}")
        if not 0.05 <= self.mpp <= 5 or not 0.05 <= self.working_mpp <= 5:
            raise ValueError(
                f"mpp and working_mpp must be 0.05 to 5 µm, got {self.mpp}, {self.working_mpp}"
            )
        if self.seed < 0 or not 0 <= self.density <= 3:
            raise ValueError(
                f"expected seed >= 0 and density 0 to 3, got {self.seed} and {self.density}"
            )

    @property
    def frame(self) -> Frame:
        """The canvas that covers the whole phantom at its working mpp."""
        scale = self.mpp / self.working_mpp
        height, width = (math.ceil(side * scale - 1e-6) for side in self.shape)
        return Frame(
            (height, width), self.working_mpp, (self.mpp, self.mpp), (0.0, 0.0), self.shape
        )

    @cached_property
    def _anatomy(self) -> Anatomy:
        seams = self.scene == "seams"
        # The sheet lies on a corner of 512 px cores where there is one.
        step = 2 * self._block_px if min(self.shape) > 5 * self._block_px else 1.0
        places = zip((0.5, 0.5) if seams else (0.70, 0.78), self.shape, strict=True)
        row, column = (max(1, round(place * side / step)) * step for place, side in places)
        radius = min((110 if seams else 42) / self.mpp, 0.15 * min(self.shape))
        kind = Anatomy if seams else Tissue
        return kind(self.shape, self.mpp, self.seed, (row, column, radius))

    @cached_property
    def _layout(self) -> Layout:
        if isinstance(self._anatomy, Tissue):
            return TissueLayout(self._anatomy, self._block_px, self.density)
        return Layout(self._anatomy, self._block_px, self.density)

    @cached_property
    def _painter(self) -> Painter:
        if isinstance(self._anatomy, Tissue):
            return TissuePainter(self._anatomy)
        return Painter(self._anatomy)

    @property
    def _block_px(self) -> float:
        return SEAM_PX * self.working_mpp / self.mpp

    def nuclei(self, window: Window | None = None) -> Iterator[Nucleus]:
        """Yield the nuclei one by one, always in the same order.

        Parameters
        ----------
        window : Window, optional
            Level-0 pixels; only nuclei whose box meets it. Default: the whole slide.

        Yields
        ------
        Nucleus
            In level-0 pixels; it may reach beyond the slide.
        """
        yield from self._layout.touching(window or Window(0, 0, *self.shape))

    def polygon(self, nucleus: Nucleus) -> Polygon:
        """Return a nucleus' outline, cut at the slide's edge.

        Parameters
        ----------
        nucleus : Nucleus
            One of `nuclei`.

        Returns
        -------
        shapely.Polygon
            x and y in level-0 pixels.
        """
        whole = Polygon(nucleus.outline[:, ::-1])
        slide = box(0, 0, self.shape[1], self.shape[0])
        return whole if slide.contains_properly(whole) else whole.intersection(slide)

    def paint(self, window: Window | None = None) -> NDArray[np.uint8]:
        """Paint a window of level 0.

        Parameters
        ----------
        window : Window, optional
            Level-0 pixels, inside the slide. Default: the whole slide.

        Returns
        -------
        (H, W, 3) ndarray of uint8
            RGB, 0 to 255, of the window's level-0 pixels.
        """
        window = window or Window(0, 0, *self.shape)
        nuclei = self.nuclei(window.grown(self._painter.margin_px))
        return self._painter.paint(window, nuclei)

    def labels(self, window: Window | None = None) -> tuple[NDArray[np.int32], list[Nucleus]]:
        """Label the pixels of a window of the canvas by their nuclei.

        A pixel belongs to the first nucleus that holds its centre.

        Parameters
        ----------
        window : Window, optional
            Canvas pixels, inside the canvas. Default: the whole canvas.

        Returns
        -------
        instances : (H, W) ndarray of int32
            On the window's canvas pixels: 0 is background, n the n-th nucleus of the list.
        nuclei : list of Nucleus
            In level-0 pixels; some may own no pixel of the window.
        """
        window = window or Window(0, 0, *self.frame.shape)
        scale = self.working_mpp / self.mpp
        low = np.floor(np.multiply((window.row, window.column), scale)).astype(int)
        high = np.ceil(np.multiply((window.row_stop, window.column_stop), scale)).astype(int)
        reach = Window(int(low[0]), int(low[1]), *(int(side) for side in high - low))
        instances = np.zeros(window.shape, np.int32)
        nuclei = list(self.nuclei(reach))
        for label, nucleus in enumerate(nuclei, start=1):
            whole = nucleus.box(scale=scale)
            part = whole.intersection(window)
            if part is None:
                continue
            rows = (np.arange(whole.row, whole.row_stop)[:, None] + 0.5) * scale
            columns = (np.arange(whole.column, whole.column_stop)[None, :] + 0.5) * scale
            inside = nucleus.reach(rows, columns)[0][part.within(whole).slices] < 1
            drawn = instances[part.within(window).slices]
            drawn[inside & (drawn == 0)] = label
        return instances, nuclei

    def maps(
        self, window: Window | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.uint8]]:
        """Return the maps that a perfect network would give for a window of the canvas.

        Parameters
        ----------
        window : Window, optional
            Canvas pixels, inside the canvas. Default: the whole canvas.

        Returns
        -------
        np_map : (H, W) ndarray of uint8
            On the window's canvas pixels: 255 on nuclei, else 0.
        hv_map : (2, H, W) ndarray of int8
            127 times the horizontal, then the vertical position in the nucleus (-1 to 1).
        tp_map : (C, H, W) ndarray of uint8
            255 in the layer of the nucleus' class, in the order of `CLASSES`; else 0.
        """
        canvas = Window(0, 0, *self.frame.shape)
        window = window or canvas
        # Wide enough to hold every nucleus of the window whole: a position needs all its pixels.
        whole = window.grown(round(1.2 * SEAM_PX)).intersection(canvas) or window
        instances, nuclei = self.labels(whole)
        crop = window.within(whole).slices
        hv_map = np.rint(127 * hv_targets(instances)[:, *crop]).astype(np.int8)
        codes = np.array([0] + [CLASSES.index(nucleus.class_name) + 1 for nucleus in nuclei])
        code = codes[instances[crop]]
        tp_map = np.stack([(code == index) * np.uint8(255) for index in range(1, len(CLASSES) + 1)])
        return (code > 0) * np.uint8(255), hv_map, tp_map
