"""Density maps as pictures: for each class one ramp from pale to dark in its own colour."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nucwsi.composition.regions import Colour

#: No nuclei: pale, so that tissue can be told from glass.
_PALE = (242, 240, 236)

#: The densest: the colour, darkened to this share.
_DARKEST = 0.35

#: Where along the ramp the colour itself stands.
_MIDDLE = 0.6


def ramp(colour: Colour) -> NDArray[np.uint8]:
    """Make a ramp of a colour that gets darker all along, so that it reads without colour too.

    Parameters
    ----------
    colour : (int, int, int)
        Red, green and blue, 0 to 255.

    Returns
    -------
    (256, 3) ndarray of uint8
        Entry 0 stands for what is not known; 1 to 255 run from none to the densest.
    """
    stops = np.array([_PALE, colour, np.multiply(colour, _DARKEST)])
    at = np.linspace(0, 1, 255)
    columns = [np.interp(at, (0, _MIDDLE, 1), channel) for channel in stops.T]
    return np.vstack([np.zeros((1, 3)), np.column_stack(columns)]).round().astype(np.uint8)


def density_png(density: NDArray[np.floating], top: float, colour: Colour) -> bytes:
    """Paint a density map.

    Parameters
    ----------
    density : (H, W) ndarray of float
        NaN is left transparent.
    top : float
        Density that gets the darkest colour.
    colour : (int, int, int)

    Returns
    -------
    bytes
        PNG.
    """
    known = np.isfinite(density)
    level = 1 + np.rint(254 * np.clip(np.where(known, density, 0) / top, 0, 1))
    picture = Image.fromarray(np.where(known, level, 0).astype(np.uint8)).convert("P")
    picture.putpalette(ramp(colour).tobytes())
    sink = io.BytesIO()
    picture.save(sink, "PNG", optimize=True, transparency=0)
    return sink.getvalue()
