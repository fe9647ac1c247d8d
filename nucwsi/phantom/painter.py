"""The phantom itself: its picture, its truth, and the maps a perfect network would give."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon, box

from nucwsi.grid import Frame, Window
from nucwsi.labels.targets import hv_targets
from nucwsi.phantom.fields import Anatomy, look_up, spread, texture
from nucwsi.phantom.nuclei import CLASSES, SEAM_PX, Layout, Nucleus

#: Optical density of red, green and blue per unit of stain (Ruifrok and Johnston 2001), the
#: haematoxylin a little bluer, as scanners show it.
_HAEMATOXYLIN = np.array([0.64, 0.72, 0.28], np.float32)
_EOSIN = np.array([0.10, 0.75, 0.30], np.float32)
_GLASS = np.array([243, 242, 244], np.float32)
#: What glass and stain let through, for densities from 0 to the densest in fine steps.
_DENSEST, _FINE = np.float32(6), 1 << 14
_TRANSMITTED = np.rint(
    _GLASS[:, None] * np.exp(-np.linspace(0, _DENSEST, _FINE, endpoint=False))
).astype(np.uint8)
#: The textures are made for this resolution, in µm per texel.
_TEXEL_UM = 0.25


@dataclass(frozen=True)
class _Look:
    """How a class of nuclei is stained: haematoxylin inside, at the rim; grain; nucleoli."""

    stain: float
    rim: float
    chromatin: float
    nucleoli: float
    spread: float


_LOOKS = {
    "epithelial": _Look(0.58, 0.45, 0.26, 1.3, 0.18),
    "inflammatory": _Look(1.25, 0.10, 0.20, 0.0, 0.15),
    "spindle": _Look(0.90, 0.15, 0.22, 0.2, 0.18),
    "other": _Look(1.10, 0.10, 0.32, 0.5, 0.30),
}


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
        Equal seeds give equal slides.
    density : float
        1 for nuclei as dense as in common tissue; at most 3.
    working_mpp : float
        Resolution of the canvas whose seams and corners get nuclei on them.

    Raises
    ------
    ValueError
        If a number makes no sense.
    """

    shape: tuple[int, int] = (3000, 4000)
    mpp: float = 0.25
    seed: int = 1
    density: float = 1.0
    working_mpp: float = 0.5

    def __post_init__(self) -> None:
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
        # The sheet lies on a corner of 512 px cores where there is one.
        step = 2 * self._block_px if min(self.shape) > 5 * self._block_px else 1.0
        row, column = (max(1, round(0.5 * side / step)) * step for side in self.shape)
        radius = min(110 / self.mpp, 0.15 * min(self.shape))
        return Anatomy(self.shape, self.mpp, self.seed, (row, column, radius))

    @cached_property
    def _layout(self) -> Layout:
        return Layout(self._anatomy, self._block_px, self.density)

    @property
    def _block_px(self) -> float:
        return SEAM_PX * self.working_mpp / self.mpp

    @property
    def _blur_px(self) -> float:
        return 0.22 / self.mpp

    @cached_property
    def _textures(self) -> dict[str, NDArray[np.float32]]:
        sigmas = {
            "grain": (1.4, 1.4),
            "fibre": (1.6, 22.0),
            "bundle": (6.0, 60.0),
            "chromatin": (1.8, 1.8),
        }
        return {
            name: texture(self.seed, 20 + index, sigma)
            for index, (name, sigma) in enumerate(sigmas.items())
        }

    def nuclei(self, window: Window | None = None) -> Iterator[Nucleus]:
        """Yield the nuclei, always in the same order, without holding them all in memory.

        Parameters
        ----------
        window : Window, optional
            Level-0 pixels; only nuclei whose box meets it. Default: all.

        Yields
        ------
        Nucleus
        """
        yield from self._layout.touching(window or Window(0, 0, *self.shape))

    def polygon(self, nucleus: Nucleus) -> Polygon:
        """Return a nucleus' outline, cut at the slide's edge.

        Parameters
        ----------
        nucleus : Nucleus

        Returns
        -------
        shapely.Polygon
            x, y in level-0 pixels.
        """
        whole = Polygon(nucleus.outline[:, ::-1])
        slide = box(0, 0, self.shape[1], self.shape[0])
        return whole if slide.contains_properly(whole) else whole.intersection(slide)

    def paint(self, window: Window | None = None) -> NDArray[np.uint8]:
        """Paint a window of level 0.

        Parameters
        ----------
        window : Window, optional
            Level-0 pixels, inside the slide. Default: all.

        Returns
        -------
        (height, width, 3) ndarray of uint8
        """
        window = window or Window(0, 0, *self.shape)
        stain, eosin = self._background(window)
        for nucleus in self.nuclei(window.grown(math.ceil(self._blur_px))):
            self._paint_nucleus(nucleus, window, stain, eosin)
        picture = np.empty((*window.shape, 3), np.uint8)
        for channel in range(3):
            density = stain * _HAEMATOXYLIN[channel] + eosin * _EOSIN[channel]
            # A table: the last bit of `exp` may depend on where in an array a number stands.
            steps = np.clip(density * (_FINE / _DENSEST), 0, _FINE - 1).astype(np.int32)
            picture[..., channel] = _TRANSMITTED[channel][steps]
        return picture

    def _background(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        # Haematoxylin and eosin of cytoplasm, fibres and glass.
        anatomy, step = self._anatomy, 8
        tissue = _rise(spread(anatomy.tissue, window, 4) / 2.5)
        nest = _rise(spread(anatomy.epithelium, window, step) * 2.5 + 0.5)
        cloud = spread(anatomy.cloud, window, step)
        across = spread(anatomy.across, window, step) / _TEXEL_UM
        along = spread(anatomy.along, window, step) / _TEXEL_UM
        fibre = look_up(self._textures["fibre"], across, along)
        bundle = look_up(self._textures["bundle"], across / 2, along / 2)
        rows, columns = self._texels(window)
        grain = look_up(self._textures["grain"], rows, columns)
        stroma = (0.40 + 0.08 * fibre + 0.07 * cloud) * (0.3 + 0.7 * _rise(0.8 + 0.5 * bundle))
        eosin = tissue * (nest * (0.34 + 0.05 * grain + 0.05 * cloud) + (1 - nest) * stroma)
        stain = nest * (0.17 + 0.03 * grain + 0.05 * cloud) + (1 - nest) * (0.07 + 0.02 * fibre)
        stain *= tissue
        return stain, eosin

    def _texels(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        scale = self.mpp / _TEXEL_UM
        rows = np.arange(window.row, window.row_stop, dtype=np.float32) * np.float32(scale)
        columns = np.arange(window.column, window.column_stop, dtype=np.float32) * np.float32(scale)
        return rows[:, None], columns[None, :]

    def _paint_nucleus(
        self,
        nucleus: Nucleus,
        window: Window,
        stain: NDArray[np.float32],
        eosin: NDArray[np.float32],
    ) -> None:
        # All of the nucleus, even if most is cut off: in a part the last bits could differ.
        blur = self._blur_px
        whole = nucleus.box(blur)
        part = whole.intersection(window)
        if part is None:
            return
        look = _LOOKS[nucleus.class_name]
        rng = np.random.default_rng((self.seed, 7, nucleus.id))
        rows = np.arange(whole.row, whole.row_stop)[:, None] + 0.5
        columns = np.arange(whole.column, whole.column_stop)[None, :] + 0.5
        _, distance = nucleus.reach(rows, columns)
        cover = _rise(0.5 - distance / (2 * blur))
        shift = rng.uniform(0, 512, 2)
        texel_rows, texel_columns = self._texels(whole)
        grain = look_up(
            self._textures["chromatin"], texel_rows + shift[0], texel_columns + shift[1]
        )
        strength = rng.lognormal(0, look.spread)
        inside = look.stain * (1 + look.chromatin * np.maximum(grain, -1))
        inside += look.rim * np.exp(-np.square((distance + 0.45 / self.mpp) * self.mpp / 0.4))
        for _ in range(rng.poisson(look.nucleoli)):
            row, column = nucleus.centre + rng.normal(0, 0.3, 2) * min(nucleus.axes)
            far = np.square(rows - row) + np.square(columns - column)
            inside += 0.55 * np.exp(-far * (self.mpp / rng.uniform(0.4, 0.7)) ** 2)
        at, cut = part.within(window).slices, part.within(whole).slices
        stain[at] += cover[cut] * (strength * np.maximum(inside[cut], 0.1) - stain[at])
        eosin[at] += cover[cut] * (0.22 - eosin[at])

    def labels(self, window: Window | None = None) -> tuple[NDArray[np.int32], list[Nucleus]]:
        """Draw the nuclei on a window of the canvas.

        A pixel belongs to the nucleus that holds its centre.

        Parameters
        ----------
        window : Window, optional
            Canvas pixels, inside the canvas. Default: the whole canvas.

        Returns
        -------
        instances : (height, width) ndarray of int32
            0 is background, n is the n-th of `nuclei`.
        nuclei : list of Nucleus
            Some may own no pixel of the window.
        """
        window = window or Window(0, 0, *self.frame.shape)
        scale = self.working_mpp / self.mpp
        low = np.floor(np.multiply((window.row, window.column), scale)).astype(int)
        high = np.ceil(np.multiply((window.row_stop, window.column_stop), scale)).astype(int)
        reach = Window(int(low[0]), int(low[1]), *(int(side) for side in high - low))
        instances = np.zeros(window.shape, np.int32)
        nuclei = list(self.nuclei(reach))
        for label, nucleus in enumerate(nuclei, start=1):
            whole = _on_canvas(nucleus, scale)
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
        """Return what a perfect network would say of a window of the canvas.

        Parameters
        ----------
        window : Window, optional
            Canvas pixels, inside the canvas. Default: the whole canvas.

        Returns
        -------
        np_map : (height, width) ndarray of uint8
            255 on nuclei, else 0.
        hv_map : (2, height, width) ndarray of int8
            127 times the place in the nucleus, horizontal and vertical.
        tp_map : (C, height, width) ndarray of uint8
            255 for the class of the nucleus; 0 off nuclei. In the order of `CLASSES`.
        """
        canvas = Window(0, 0, *self.frame.shape)
        window = window or canvas
        # Wide enough to hold every nucleus of the window whole: its place needs all its pixels.
        whole = window.grown(round(1.2 * SEAM_PX)).intersection(canvas) or window
        instances, nuclei = self.labels(whole)
        crop = window.within(whole).slices
        hv_map = np.rint(127 * hv_targets(instances)[:, *crop]).astype(np.int8)
        codes = np.array([0] + [CLASSES.index(nucleus.class_name) + 1 for nucleus in nuclei])
        code = codes[instances[crop]]
        tp_map = np.stack([(code == index) * np.uint8(255) for index in range(1, len(CLASSES) + 1)])
        return (code > 0) * np.uint8(255), hv_map, tp_map


def _rise(value: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rise smoothly from 0 at 0 to 1 at 1."""
    share = np.clip(value, 0, 1)
    return share * share * (3 - 2 * share)


def _on_canvas(nucleus: Nucleus, scale: float) -> Window:
    low = np.floor(nucleus.outline.min(0) / scale).astype(int)
    high = np.ceil(nucleus.outline.max(0) / scale).astype(int)
    return Window(int(low[0]), int(low[1]), *(int(side) for side in high - low))
