"""What on a slide is not as on a sound slide of H&E.

Measured on an overview of about 8 µm per pixel.

An oddity refuses nothing: it says what somebody should look at, with the figure that tells. Every
limit was chosen with a margin to sound slides; docs/report.md has the figures of both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nucwsi.slide.blocks import blocks, sampled
from nucwsi.slide.glass import glass_colour, is_plain
from nucwsi.slide.tissue import find_ink

#: Least area that is judged, in µm²: a smaller one may hold nothing but pale stroma, blood or fat.
_MIN_AREA_UM2, _MIN_PALE_UM2 = 1e5, 5e4

#: Least ratios of the densities of red and of blue to that of green: in DAB, and in what DAB and
#: haematoxylin give together; eosin and blood absorb less red, haematoxylin less blue. The least
#: density of green that is judged.
_DAB, _DAB_MIXED, _BROWN_DENSITY = (0.4, 1.1), (0.6, 0.75), 0.2

#: Largest share of brown in the tissue.
_MAX_BROWN = 0.1

#: Least optical density of green in the densest tenth of the tissue.
_MIN_DENSITY = 0.35

#: What is paler than tissue still differs from glass by these densities of green, and of colour,
#: in the mean of 5 x 5 pixels. Largest share of it in all that is stained.
_PALE_DENSITY, _PALE_COLOUR, _MAX_PALE = 0.02, 0.015, 0.25

#: Rim of tissue that is not counted as pale, in pixels.
_RIM_PX = 4

#: Ink has one hue: the ratios of red and of blue to green deviate by less than this (standard
#: deviation in 5 x 5 pixels) where green has at least this density. The least width of a stroke.
_EVEN_RATIO, _EVEN_DENSITY, _STROKE_PX = 0.03, 0.4, 9

#: Largest area of even hue, in µm².
_MAX_EVEN_UM2 = 2e4

_DENSITY = -np.log(np.arange(1, 257, dtype=np.float32) / 256)


class Oddity(NamedTuple):
    """One thing that is not as on a sound slide.

    Attributes
    ----------
    kind : str
        ``glass`` (dim or tinted), ``brown``, ``faint`` (stain), ``pale`` (matter beside the tissue)
        or ``even`` (hue, as of a pen).
    text : str
        What was measured, and what it may mean.
    """

    kind: Literal["glass", "brown", "faint", "pale", "even"]
    text: str


def oddities(
    overview: NDArray[np.uint8],
    tissue: NDArray[np.bool_],
    cell_um: float,
    glass: NDArray[np.uint8] | None = None,
) -> list[Oddity]:
    """List what is odd about a slide.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255, of about 8 µm per pixel; glass and missing data are white.
    tissue : (H, W) ndarray of bool
        What `find_tissue` found on it.
    cell_um : float
        Side of a pixel of the overview, in µm.
    glass : (3,) ndarray of uint8, optional
        Colour of the glass, where `glass_colour` has measured it already.

    Returns
    -------
    list of Oddity
        Empty for a sound slide.
    """
    found, cell_um2 = [], cell_um**2
    glass = glass_colour(overview) if glass is None else glass
    if not is_plain(glass):
        colour = ", ".join(map(str, glass.tolist()))
        found.append(
            Oddity(
                "glass",
                f"its glass is not clear but has the colour ({colour}) of 255; stains are"
                " measured against it, but the network sees them with this tint",
            )
        )
    tissue_px, pale_px = int(tissue.sum()), pale_pixels(overview, tissue, glass)
    stained_px = tissue_px + pale_px
    if stained_px * cell_um2 >= _MIN_PALE_UM2 and pale_px > _MAX_PALE * stained_px:
        found.append(
            Oddity(
                "pale",
                f"{pale_px * cell_um2 / 1e6:.2f} mm² beside the tissue"
                f" ({pale_px / stained_px:.0%} of all that is stained) are too pale to be found"
                " as tissue, and are left out",
            )
        )
    if tissue_px * cell_um2 >= _MIN_AREA_UM2:
        density, brown = (
            stain_density(overview, tissue, glass),
            brown_share(overview, tissue, glass),
        )
        if density < _MIN_DENSITY:
            found.append(
                Oddity(
                    "faint",
                    f"its stain is faint: the densest tenth of the tissue has an optical"
                    f" density of {density:.2f} in green, expected {_MIN_DENSITY:g} or more;"
                    " nuclei may be missed",
                )
            )
        if brown > _MAX_BROWN:
            found.append(
                Oddity(
                    "brown",
                    f"{brown:.0%} of the tissue is brown, as with DAB"
                    " (immunohistochemistry) or pigment; the networks know H&E only",
                )
            )
    even_um2 = even_pixels(overview, tissue, glass) * cell_um2
    if even_um2 > _MAX_EVEN_UM2:
        found.append(
            Oddity(
                "even",
                f"{even_um2 / 1e6:.2f} mm² of the tissue have one even hue, as purple pen"
                " has; look at the outlines of the tissue",
            )
        )
    return found


def brown_share(
    overview: NDArray[np.uint8],
    tissue: NDArray[np.bool_],
    glass: NDArray[np.uint8] | None = None,
) -> float:
    """Measure how much of the tissue is brown.

    DAB absorbs blue most, and red as well (Ruifrok and Johnston 2001); no mixture of eosin and
    haematoxylin does both.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255.
    tissue : (H, W) ndarray of bool
        The tissue; at least one pixel.
    glass : (3,) ndarray of uint8, optional
        Colour of the glass, where `glass_colour` has measured it already.

    Returns
    -------
    float
        Share of its pixels, 0 to 1.
    """
    clear = _glass_density(overview, glass)
    red, green, blue = (_DENSITY[sampled(overview, tissue)] - clear).T
    brown = np.zeros(len(green), bool)
    for least_red, least_blue in (_DAB, _DAB_MIXED):
        brown |= (red > least_red * green) & (blue > least_blue * green)
    return float((brown & (green > _BROWN_DENSITY)).mean())


def stain_density(
    overview: NDArray[np.uint8],
    tissue: NDArray[np.bool_],
    glass: NDArray[np.uint8] | None = None,
) -> float:
    """Measure how dense the stain is where it is dense.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255.
    tissue : (H, W) ndarray of bool
        The tissue; at least one pixel.
    glass : (3,) ndarray of uint8, optional
        Colour of the glass, where `glass_colour` has measured it already.

    Returns
    -------
    float
        90 % quantile of the optical density (natural logarithm) of green in the tissue.
    """
    clear = _glass_density(overview, glass)[1]
    return float(np.quantile(_DENSITY[sampled(overview, tissue)[:, 1]], 0.9) - clear)


def _glass_density(
    overview: NDArray[np.uint8], glass: NDArray[np.uint8] | None
) -> NDArray[np.float32]:
    """Return the optical density of the glass in each channel, (3,)."""
    return _DENSITY[glass_colour(overview) if glass is None else glass]


def pale_pixels(
    overview: NDArray[np.uint8],
    tissue: NDArray[np.bool_],
    glass: NDArray[np.uint8] | None = None,
) -> int:
    """Count the pixels that have a stain, but too little to be found as tissue.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255.
    tissue : (H, W) ndarray of bool
        What is found.
    glass : (3,) ndarray of uint8, optional
        Colour of the glass, where `glass_colour` has measured it already.

    Returns
    -------
    int
        Pixels beyond the rims of tissue and ink.
    """
    colour = glass_colour(overview) if glass is None else glass
    clear = _DENSITY[colour]

    def _pale(rgb: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        red, green, blue = (
            ndimage.uniform_filter(_DENSITY[rgb[..., c]] - clear[c], 5) for c in range(3)
        )
        stain = green - np.minimum(red, blue)
        stained = (green > _PALE_DENSITY) & (stain > np.maximum(_PALE_COLOUR, 0.08 * green))
        marked = known | find_ink(rgb, colour)
        beyond = ~ndimage.binary_dilation(marked, iterations=_RIM_PX)
        return ndimage.binary_opening(stained & beyond, np.ones((3, 3)))

    return _count(_pale, overview, tissue)


def even_pixels(
    overview: NDArray[np.uint8],
    tissue: NDArray[np.bool_],
    glass: NDArray[np.uint8] | None = None,
) -> int:
    """Count the pixels of tissue in wide areas of one hue, as a pen paints them.

    Tissue is a mixture of two stains, which changes from pixel to pixel.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255.
    tissue : (H, W) ndarray of bool
        What is found.
    glass : (3,) ndarray of uint8, optional
        Colour of the glass, where `glass_colour` has measured it already.

    Returns
    -------
    int
        Pixels of squares of at least `_STROKE_PX`.
    """
    clear = _glass_density(overview, glass)

    def _even(rgb: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        red, green, blue = (_DENSITY[rgb[..., c]] - clear[c] for c in range(3))
        alike = known & (green > _EVEN_DENSITY)
        for other in (red, blue):
            alike &= _deviation(other / np.maximum(green, 0.05)) < _EVEN_RATIO
        return ndimage.binary_opening(alike, np.ones((_STROKE_PX, _STROKE_PX)))

    return _count(_even, overview, tissue)


def _deviation(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standard deviation in 5 x 5 pixels around each, (H, W)."""
    values = values.astype(np.float64)
    mean = ndimage.uniform_filter(values, 5)
    variance = ndimage.uniform_filter(values * values, 5) - mean * mean
    return np.sqrt(np.maximum(variance, 0)).astype(np.float32)


def _count(
    find: Callable[[NDArray[np.uint8], NDArray[np.bool_]], NDArray[np.bool_]],
    overview: NDArray[np.uint8],
    known: NDArray[np.bool_],
) -> int:
    """Count what `find` finds, block by block."""
    n = 0
    for block in blocks(known.shape):
        n += int(find(overview[block.around], known[block.around])[block.within].sum())
    return n
