"""How the phantom is stained: a picture of its tissue with haematoxylin and eosin."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Window
from nucwsi.phantom.anatomy import Anatomy
from nucwsi.phantom.nucleus import Nucleus
from nucwsi.phantom.textures import TEXEL_UM, look_up, spread, texture

#: Optical density of red, green and blue per unit of stain (Ruifrok and Johnston, Analytical and
#: Quantitative Cytology and Histology 23, 2001), the haematoxylin a little bluer, as scanners
#: show it.
_HAEMATOXYLIN = np.array([0.64, 0.72, 0.28], np.float32)
_EOSIN = np.array([0.10, 0.75, 0.30], np.float32)

#: Red, green and blue of bare glass, 0 to 255.
_GLASS = np.array([243, 242, 244], np.float32)

#: The 0..255 value that glass and stain let through, in each channel, at 16384 densities from 0 to
#: the largest that is told apart.
_DENSEST, _FINE = np.float32(6), 1 << 14
_TRANSMITTED = np.rint(
    _GLASS[:, None] * np.exp(-np.linspace(0, _DENSEST, _FINE, endpoint=False))
).astype(np.uint8)

#: Width of the features of each texture, along its rows and columns, in texels.
_TEXTURES = {
    "grain": (1.4, 1.4),
    "fibre": (1.6, 22.0),
    "bundle": (6.0, 60.0),
    "chromatin": (1.8, 1.8),
    "patch": (7.0, 7.0),
}


@dataclass(frozen=True)
class Look:
    """How a class of nuclei is stained, in units of haematoxylin.

    Attributes
    ----------
    stain, rim : float
        Haematoxylin inside, and how much more of it lies at the rim.
    chromatin : float
        Contrast of the grain, as a share of `stain`.
    nucleoli : float
        Their mean number.
    spread : float
        Standard deviation, from nucleus to nucleus, of the logarithm of the whole.
    """

    stain: float
    rim: float
    chromatin: float
    nucleoli: float
    spread: float


_LOOKS = {
    "epithelial": Look(0.58, 0.45, 0.26, 1.3, 0.18),
    "inflammatory": Look(1.25, 0.10, 0.20, 0.0, 0.15),
    "spindle": Look(0.90, 0.15, 0.22, 0.2, 0.18),
    "other": Look(1.10, 0.10, 0.32, 0.5, 0.30),
}


@dataclass(frozen=True)
class Painter:
    """Paints windows of a slide, each alone and identically to the whole.

    Attributes
    ----------
    anatomy : Anatomy
        The slide's tissue, resolution and seed.
    """

    anatomy: Anatomy

    #: How each class is stained.
    looks: ClassVar[dict[str, Look]] = _LOOKS

    @property
    def blur_px(self) -> float:
        """Half-width in level-0 pixels of the blurred outline of a nucleus."""
        return 0.22 / self.anatomy.mpp

    @property
    def margin_px(self) -> int:
        """Level-0 pixels around a window whose nuclei may still show in it."""
        return math.ceil(self.blur_px)

    @cached_property
    def _textures(self) -> dict[str, NDArray[np.float32]]:
        return {
            name: texture(self.anatomy.seed, 20 + index, sigma)
            for index, (name, sigma) in enumerate(_TEXTURES.items())
        }

    def paint(self, window: Window, nuclei: Iterable[Nucleus]) -> NDArray[np.uint8]:
        """Paint a window of level 0.

        Parameters
        ----------
        window : Window
            Level-0 pixels, inside the slide.
        nuclei : iterable of Nucleus
            Those that meet the window or `margin_px` around it; a later one covers an earlier one.

        Returns
        -------
        (H, W, 3) ndarray of uint8
            RGB, 0 to 255, of the window's level-0 pixels.
        """
        stain, eosin = self._background(window)
        for nucleus in nuclei:
            self._paint_nucleus(nucleus, window, stain, eosin)
        picture = np.empty((*window.shape, 3), np.uint8)
        for channel in range(3):
            density = stain * _HAEMATOXYLIN[channel] + eosin * _EOSIN[channel]
            # A table: the last bit of `exp` may depend on where in an array a number stands.
            steps = np.clip(density * (_FINE / _DENSEST), 0, _FINE - 1).astype(np.int32)
            picture[..., channel] = _TRANSMITTED[channel][steps]
        return picture

    def _background(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return haematoxylin and eosin (height, width) of cytoplasm, fibres and glass."""
        anatomy, step = self.anatomy, 8
        tissue = rise(spread(anatomy.tissue, window, 4) / 2.5)
        nest = rise(spread(anatomy.epithelium, window, step) * 2.5 + 0.5)
        cloud = spread(anatomy.cloud, window, step)
        across = spread(anatomy.across, window, step) / TEXEL_UM
        along = spread(anatomy.along, window, step) / TEXEL_UM
        fibre = look_up(self._textures["fibre"], across, along)
        bundle = look_up(self._textures["bundle"], across / 2, along / 2)
        rows, columns = self._texels(window)
        grain = look_up(self._textures["grain"], rows, columns)
        stroma = (0.40 + 0.08 * fibre + 0.07 * cloud) * (0.3 + 0.7 * rise(0.8 + 0.5 * bundle))
        eosin = tissue * (nest * (0.34 + 0.05 * grain + 0.05 * cloud) + (1 - nest) * stroma)
        stain = nest * (0.17 + 0.03 * grain + 0.05 * cloud) + (1 - nest) * (0.07 + 0.02 * fibre)
        stain *= tissue
        return stain, eosin

    def _texels(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the rows (height, 1) and columns (1, width) of a window's pixels, in texels."""
        scale = self.anatomy.mpp / TEXEL_UM
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
        """Change haematoxylin and eosin (height, width) of a window where the nucleus covers it."""
        # All of the nucleus is computed, even if most is cut off: in a part the last bits could
        # differ.
        mpp, blur = self.anatomy.mpp, self.blur_px
        whole = nucleus.box(blur)
        part = whole.intersection(window)
        if part is None:
            return
        look = self.looks[nucleus.class_name]
        rng = np.random.default_rng((self.anatomy.seed, 7, nucleus.id))
        rows = np.arange(whole.row, whole.row_stop)[:, None] + 0.5
        columns = np.arange(whole.column, whole.column_stop)[None, :] + 0.5
        _, distance = nucleus.reach(rows, columns)
        cover = rise(0.5 - distance / (2 * blur))
        shift = rng.uniform(0, 512, 2)
        texel_rows, texel_columns = self._texels(whole)
        grain = look_up(
            self._textures["chromatin"], texel_rows + shift[0], texel_columns + shift[1]
        )
        strength = rng.lognormal(0, look.spread)
        inside = look.stain * (1 + look.chromatin * np.maximum(grain, -1))
        inside += look.rim * np.exp(-np.square((distance + 0.45 / mpp) * mpp / 0.4))
        for _ in range(rng.poisson(look.nucleoli)):
            row, column = nucleus.centre + rng.normal(0, 0.3, 2) * min(nucleus.axes)
            far = np.square(rows - row) + np.square(columns - column)
            inside += 0.55 * np.exp(-far * (mpp / rng.uniform(0.4, 0.7)) ** 2)
        at, cut = part.within(window).slices, part.within(whole).slices
        stain[at] += cover[cut] * (strength * np.maximum(inside[cut], 0.1) - stain[at])
        eosin[at] += cover[cut] * (0.22 - eosin[at])


def rise(value: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rise smoothly from 0 at 0 to 1 at 1.

    Parameters
    ----------
    value : ndarray of float
        Of any shape and unit.

    Returns
    -------
    ndarray of float
        Of the same shape; 0 below 0, 1 above 1.
    """
    share = np.clip(value, 0, 1)
    return share * share * (3 - 2 * share)
