"""Where on a slide the tissue lies, and whether the image is one of brightfield H&E at all.

All thresholds are fixed: a statistic of the image, such as Otsu's, finds tissue on bare glass, too.
Thresholds were chosen on overviews of about 8 µm per pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from nucwsi.slide.blocks import blocks, counted_quantile, counts_of, without_small
from nucwsi.slide.glass import PLAIN_LEVEL, PLAIN_RANGE, glass_colour, highest, lowest

#: Least optical density of green above that of glass where there is anything; pale eosin has 0.1.
_MIN_DENSITY = 0.06

#: Least difference between the densities of two colours where there is a stain, and least share of
#: the density of green; dust, bubbles, shadows, pencil and the edge of the coverslip are grey.
_MIN_COLOUR, _MIN_COLOUR_SHARE = 0.05, 0.08

#: Ink absorbs more red than green, as no stain of H&E does: by this density and by this factor.
_INK_EXCESS, _INK_RATIO = 0.04, 1.2

#: Red ink transmits red and absorbs blue as strongly as green; even dense eosin absorbs less blue.
#: Least density of green, largest ratio of red to green and least ratio of blue to green.
_RED_INK = {"green": 0.9, "red_share": 0.12, "blue_share": 0.8}

#: The thin rim of a stroke of red ink is paler, and at most this many pixels wide.
_RED_RIM = {"green": 0.06, "red_share": 0.15, "blue_share": 0.75}
_RIM_PX = 4

#: No colour (0 to 255) of H&E, averaged over a pixel of the overview, is darker than this.
_BLACK = 40

#: Brightest colours (0 to 255) of a pixel: below the first it is black, below the second dark.
_DIM, _DARK = 16, 60

#: Largest shares of dim pixels in all that are not black, on a slide that is mostly dark and on
#: any other. 99.9 % of 1,431 fields of H&E have at most 0.1, the darkest has up to 0.33, and slides
#: at most 0.01 even in black padding; fluorescence has over 0.2.
_MAX_DIM_IN_DARK, _MAX_DIM = 0.2, 0.4

#: Least share of what is not dark that looks like glass or a stain in brightfield; fields of H&E
#: have at least 0.65. Less than the second share of the slide proves nothing.
_MIN_LIT, _MIN_SEEN = 0.4, 0.005


class Piece(NamedTuple):
    """One connected piece of tissue.

    Attributes
    ----------
    area_px : int
        Area without holes, in pixels of the mask.
    outline : shapely.Polygon
        With holes, along pixel edges; x, y in pixels of the mask.
    """

    area_px: int
    outline: shapely.Polygon


def looks_fluorescent(overview: NDArray[np.uint8]) -> bool:
    """Return whether the background is dark, as in fluorescence, or nothing is lit at all.

    Black padding around a brightfield scan does not count: its edge is sharp, whereas a fluorescent
    signal fades into the dark. What is lit in brightfield is bright and grey (glass), or absorbs
    green without absorbing all of another colour (stain).

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255, at any scale.

    Returns
    -------
    bool
        True if hardly anything is lit, or if much is neither black nor lit.
    """
    n_seen = n_dim = n_stain = 0
    # How often each brightness occurs where something is seen, and where that is plain.
    seen_levels, plain_levels = np.zeros((2, 256), np.int64)
    for block in blocks(overview.shape):
        rgb, high = overview[block.own], highest(overview[block.around])
        # A slide may end amid a pixel of the overview, whose other part is white: lines do not
        # count.
        around = np.pad(high >= _DARK, 1, mode="edge")
        seen = ndimage.binary_opening(around, np.ones((3, 3)))[1:-1, 1:-1][block.within]
        high, low = high[block.within], lowest(rgb)
        span = high - low
        stain = (high > 80) & (rgb[..., 1] < high) & (low > 0.25 * high) & (span >= 0.1 * high)
        n_seen += int(seen.sum())
        n_dim += int(((high >= _DIM) & (high < _DARK)).sum())
        n_stain += int((seen & stain).sum())
        seen_levels += counts_of(high[seen])
        plain_levels += counts_of(high[seen & ~stain & (span < PLAIN_RANGE)])
    size = overview.shape[0] * overview.shape[1]
    most_dim = _MAX_DIM_IN_DARK if 2 * n_seen < size else _MAX_DIM
    if n_seen < _MIN_SEEN * size or n_dim > most_dim * (n_dim + n_seen):
        return True
    brightest = counted_quantile(seen_levels, 0.95)
    n_glass = plain_levels[np.arange(256) > max(110.0, brightest * 2 / 3)].sum()
    return bool(n_stain + n_glass < _MIN_LIT * n_seen)


def looks_miscoloured(overview: NDArray[np.uint8]) -> bool:
    """Return whether RGB and YCbCr were mistaken for each other.

    Where YCbCr is shown as RGB, green and blue of glass are about 128. Where RGB was converted as
    if it were YCbCr, glass is magenta: full red and blue, and half of green.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255, at any scale.

    Returns
    -------
    bool
        True if glass has one of these two colours.
    """
    levels, neutral_levels, green_levels = np.zeros((3, 256), np.int64)
    n_turned = 0
    for block in blocks(overview.shape):
        rgb = overview[block.own]
        red, green, blue = (rgb[..., channel] for channel in range(3))
        brightness = highest(rgb)
        # Luma of glass is bright, and no stain has green below glass; both hold for YCbCr only.
        grey = (green > 108) & (green < 148) & (red > 152)
        levels += counts_of(brightness)
        neutral_levels += counts_of(brightness[grey & (blue > 108) & (blue < 148)])
        green_levels += counts_of(green[brightness >= _DIM])
        n_turned += int((grey & (red > 245) & (blue > 245)).sum())
    glass = np.arange(256) >= counted_quantile(levels, 0.9)
    neutral = neutral_levels[glass].sum() > 0.7 * levels[glass].sum()
    if neutral and counted_quantile(green_levels, 0.05) > 105:
        return True
    return bool(n_turned > 0.05 * levels.sum())


class _Looks(NamedTuple):
    """What each pixel of an overview looks like by itself: (H, W) ndarrays of bool."""

    stained: NDArray[np.bool_]
    ink: NDArray[np.bool_]
    red_ink: NDArray[np.bool_]
    red_rim: NDArray[np.bool_]


def _looks(rgb: NDArray[np.uint8], colour: NDArray[np.uint8]) -> _Looks:
    """Look at pixels (H, W, 3), beside glass of a colour (3,)."""
    table = -np.log(np.arange(1, 257, dtype=np.float32) / 256)
    glass = table[colour]
    black = _BLACK * min(1.0, int(colour.max()) / PLAIN_LEVEL)
    densities = [table[rgb[..., c]] - glass[c] for c in range(3)]
    red, green, blue = densities
    stain = green - np.minimum(red, blue)
    ink = (red > green + _INK_EXCESS) & (red > _INK_RATIO * green)
    return _Looks(
        (green > _MIN_DENSITY) & (stain > np.maximum(_MIN_COLOUR, _MIN_COLOUR_SHARE * green)),
        ink | (highest(rgb) < black),
        _red(densities, **_RED_INK),
        _red(densities, **_RED_RIM),
    )


def _red(
    densities: list[NDArray[np.float32]], green: float, red_share: float, blue_share: float
) -> NDArray[np.bool_]:
    """Return where densities (H, W) of red, green and blue are those of red ink."""
    red, middle, blue = densities
    return (middle > green) & (red < red_share * middle) & (blue > blue_share * middle)


def _ink(looks: _Looks) -> NDArray[np.bool_]:
    """Return where there is pen or black padding, (H, W)."""
    ink = ndimage.binary_opening(looks.ink)
    core = ndimage.binary_opening(looks.red_ink)
    return ink | ndimage.binary_dilation(core, iterations=_RIM_PX, mask=core | looks.red_rim)


def find_ink(
    overview: NDArray[np.uint8], glass: NDArray[np.uint8] | None = None
) -> NDArray[np.bool_]:
    """Find pen marks and black padding on an overview of about 8 µm per pixel.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255; glass and missing data are white.
    glass : (3,) ndarray of uint8, optional
        Colour of the glass, where `glass_colour` has measured it already.

    Returns
    -------
    (H, W) ndarray of bool
        True on ink and on padding.
    """
    colour = glass_colour(overview) if glass is None else glass
    ink = np.empty(overview.shape[:2], bool)
    for block in blocks(ink.shape):
        ink[block.own] = _ink(_looks(overview[block.around], colour))[block.within]
    return ink


def find_tissue(
    overview: NDArray[np.uint8], min_area_px: int, glass: NDArray[np.uint8] | None = None
) -> NDArray[np.bool_]:
    """Find the tissue on an overview of about 8 µm per pixel.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255; glass and missing data are white.
    min_area_px : int
        Least area of a piece, in pixels of the overview; smaller ones are dust, unless they fill
        half of the overview, as a picture amid tissue does.
    glass : (3,) ndarray of uint8, optional
        Colour of the glass, where `glass_colour` has measured it already.

    Returns
    -------
    (H, W) ndarray of bool
        True on tissue.
    """
    colour = glass_colour(overview) if glass is None else glass
    tissue = np.empty(overview.shape[:2], bool)
    for block in blocks(tissue.shape):
        looks = _looks(overview[block.around], colour)
        closed = ndimage.binary_closing(np.pad(looks.stained, 3), iterations=3)[3:-3, 3:-3]
        found = (closed | looks.stained) & ~_ink(looks)
        tissue[block.own] = ndimage.binary_opening(found)[block.within]
    return without_small(tissue, max(1, min(min_area_px, tissue.size // 2)))


def grown(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Grow a mask by a square around each of its pixels.

    Parameters
    ----------
    mask : (H, W) ndarray of bool
        In any frame.
    reach_px : int
        Pixels on each side; 0 returns the same mask.

    Returns
    -------
    (H, W) ndarray of bool
        True where the mask is, or at most `reach_px` rows and columns away from it.
    """
    if reach_px == 0:
        return mask
    return ndimage.maximum_filter(mask, size=2 * reach_px + 1, mode="constant")


def pieces(mask: NDArray[np.bool_]) -> list[Piece]:
    """Outline the connected pieces of a mask, the largest first.

    Parameters
    ----------
    mask : (H, W) ndarray of bool
        True on tissue; pixels that touch at a corner only are not connected.

    Returns
    -------
    list of Piece
        x and y in pixels of the mask.

    Examples
    --------
    >>> [piece] = pieces(np.array([[True, True], [False, True]]))
    >>> piece.area_px, piece.outline.bounds
    (3, (0.0, 0.0, 2.0, 2.0))
    """
    # Only those who outline tissue pay for the import.
    import rasterio.features

    mask = np.ascontiguousarray(mask)
    outlined = [
        Piece(round(outline.area), outline)
        for geometry, _ in rasterio.features.shapes(mask.view(np.uint8), mask=mask)
        for outline in [shapely.geometry.shape(geometry)]
    ]
    return sorted(outlined, key=lambda piece: (-piece.area_px, piece.outline.bounds))
