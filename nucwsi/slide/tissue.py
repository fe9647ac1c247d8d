"""Where on a slide the tissue lies, and whether the image is one of brightfield H&E at all.

All thresholds are fixed: a statistic of the image, such as Otsu's, finds tissue on bare glass, too.
Thresholds were chosen on overviews of about 8 µm per pixel.
"""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

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

#: Rows that are computed together; it limits memory and changes no result.
_STRIP_PX = 256

#: No colour (0 to 255) of H&E, averaged over a pixel of the overview, is darker than this.
_BLACK = 40

#: A pixel is even if the colours (0 to 255) of its neighbours differ by at most this; glass is even
#: everywhere, and tissue hardly anywhere.
_EVEN = 6

#: Plain glass is brighter than this, and its colours differ by less than this (0 to 255). Other
#: glass transmits at least this much of its strongest colour, and these shares of it in green and
#: in its weakest colour: whatever H&E stains transmits less green.
_PLAIN_LEVEL, _PLAIN_RANGE = 190, 26
_TINTED = {"high": 100, "green_share": 0.8, "low_share": 0.45}

#: From this level (0 to 255) on a pixel is so bright that it is taken for missing data.
_BLANK = 252

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
    low, high = overview.min(axis=2), overview.max(axis=2)
    # A slide may end amid a pixel of the overview, whose other part is white: lines do not count.
    around = np.pad(high >= _DARK, 1, mode="edge")
    seen = ndimage.binary_opening(around, np.ones((3, 3)))[1:-1, 1:-1]
    n_seen, n_dim = int(seen.sum()), int(((high >= _DIM) & (high < _DARK)).sum())
    most_dim = _MAX_DIM_IN_DARK if 2 * n_seen < seen.size else _MAX_DIM
    if n_seen < _MIN_SEEN * seen.size or n_dim > most_dim * (n_dim + n_seen):
        return True
    span = high - low
    brightest = float(np.quantile(high[seen], 0.95))
    glass = (span < _PLAIN_RANGE) & (high > max(110.0, brightest * 2 / 3))
    stain = (high > 80) & (overview[..., 1] < high) & (low > 0.25 * high) & (span >= 0.1 * high)
    return bool((seen & (glass | stain)).sum() < _MIN_LIT * n_seen)


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
    brightness = overview.max(axis=2)
    # Luma of glass is bright, and no stain has green below glass; both hold for YCbCr only.
    near = (overview > 108) & (overview < 148) & (overview[..., :1] > 152)
    glass = near[brightness >= np.quantile(brightness, 0.9)]
    neutral = (glass[:, 1] & glass[:, 2]).mean() > 0.7
    green = overview[..., 1][brightness >= _DIM]
    if neutral and np.quantile(green, 0.05) > 105:
        return True
    turned = near[..., 1] & (overview[..., 0] > 245) & (overview[..., 2] > 245)
    return bool(turned.mean() > 0.05)


def is_plain(colour: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which colours are those of plain glass: bright and nearly grey.

    Parameters
    ----------
    colour : (..., 3) ndarray of uint8
        RGB, 0 to 255.

    Returns
    -------
    (...) ndarray of bool
        True where glass with this colour is neither dim nor tinted.
    """
    low, high = colour.min(axis=-1), colour.max(axis=-1)
    plain: NDArray[np.bool_] = (low > _PLAIN_LEVEL) & (high - low < _PLAIN_RANGE)
    return plain


def glass_colour(overview: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Measure the colour of glass.

    It is the median of what is bright, nearly grey and brightest, unless more of the slide is even
    and dimmer or tinted: then it is the median of that.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255; glass and missing data are white.

    Returns
    -------
    (3,) ndarray of uint8
        Red, green and blue; bright and grey where no glass is seen.
    """
    tinted = _tinted_glass(overview)
    if tinted is not None:
        return tinted
    # Pure white stands for missing data; it is no glass unless there is hardly any other candidate.
    low = overview.min(axis=2)
    candidates = overview[is_plain(overview) & (low < 255)]
    if len(candidates) < max(16, low.size // 1000):
        return np.full(3, 255 if (low == 255).mean() > 0.01 else 244, np.uint8)
    level = candidates.sum(axis=1, dtype=np.int16)
    return np.median(candidates[level >= np.median(level)], axis=0).astype(np.uint8)


def _tinted_glass(overview: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the colour (3,) of glass that is not plain; None if more is plain, or nothing even."""
    height, width = overview.shape[:2]
    # At most a million pixels, each with its eight neighbours.
    step = 1 + int((height * width) ** 0.5) // 1000
    around = [
        overview[row : max(0, height - 2) + row : step, column : max(0, width - 2) + column : step]
        for row in range(3)
        for column in range(3)
    ]
    span = reduce(np.maximum, around) - reduce(np.minimum, around)
    even = around[4][(span <= _EVEN).all(axis=2)]
    low, high = even.min(axis=1), even.max(axis=1)
    plain = is_plain(even)
    tinted = even[
        ~plain
        & (high >= _TINTED["high"])
        & (low >= _TINTED["low_share"] * high)
        & (even[:, 1] >= _TINTED["green_share"] * high)
    ]
    if (
        len(tinted) < max(16, span[..., 0].size // 50)
        or len(tinted) < (plain & (low < _BLANK)).sum()
    ):
        return None
    colour: NDArray[np.uint8] = np.median(tinted, axis=0).astype(np.uint8)
    # Nothing is brighter than glass but missing data and rare reflections.
    brighter = (overview[..., 1] > int(colour[1]) + 12) & (overview.min(axis=2) < _BLANK)
    return colour if brighter.mean() < 0.2 else None


class _Looks(NamedTuple):
    """What each pixel of an overview looks like by itself: (H, W) ndarrays of bool."""

    stained: NDArray[np.bool_]
    ink: NDArray[np.bool_]
    red_ink: NDArray[np.bool_]
    red_rim: NDArray[np.bool_]


def _looks(overview: NDArray[np.uint8]) -> _Looks:
    looks = _Looks(*np.empty((4, *overview.shape[:2]), bool))
    table = -np.log(np.arange(1, 257, dtype=np.float32) / 256)
    colour = glass_colour(overview)
    glass = table[colour]
    black = _BLACK * min(1.0, int(colour.max()) / _PLAIN_LEVEL)
    # In strips: the densities of a whole slide take several times the memory of its overview.
    for top in range(0, len(overview), _STRIP_PX):
        rows = slice(top, top + _STRIP_PX)
        densities = [table[overview[rows, :, c]] - glass[c] for c in range(3)]
        red, green, blue = densities
        stain = green - np.minimum(red, blue)
        looks.stained[rows] = (green > _MIN_DENSITY) & (
            stain > np.maximum(_MIN_COLOUR, _MIN_COLOUR_SHARE * green)
        )
        looks.ink[rows] = (red > green + _INK_EXCESS) & (red > _INK_RATIO * green)
        looks.ink[rows] |= overview[rows].max(axis=2) < black
        looks.red_ink[rows] = _red(densities, **_RED_INK)
        looks.red_rim[rows] = _red(densities, **_RED_RIM)
    return looks


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


def find_ink(overview: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find pen marks and black padding on an overview of about 8 µm per pixel.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255; glass and missing data are white.

    Returns
    -------
    (H, W) ndarray of bool
        True on ink and on padding.
    """
    return _ink(_looks(overview))


def find_tissue(overview: NDArray[np.uint8], min_area_px: int) -> NDArray[np.bool_]:
    """Find the tissue on an overview of about 8 µm per pixel.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255; glass and missing data are white.
    min_area_px : int
        Least area of a piece, in pixels of the overview; smaller ones are dust, unless they fill
        half of the overview, as a picture amid tissue does.

    Returns
    -------
    (H, W) ndarray of bool
        True on tissue.
    """
    looks = _looks(overview)
    tissue = ndimage.binary_closing(np.pad(looks.stained, 3), iterations=3)[3:-3, 3:-3]
    tissue = (tissue | looks.stained) & ~_ink(looks)
    tissue = ndimage.binary_opening(tissue)
    labels, _ = ndimage.label(tissue, structure=np.ones((3, 3)))
    large = np.bincount(labels.ravel()) >= max(1, min(min_area_px, labels.size // 2))
    large[0] = False
    return large[labels]


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

    outlined = [
        Piece(round(outline.area), outline)
        for geometry, _ in rasterio.features.shapes(mask.astype(np.uint8), mask=mask)
        for outline in [shapely.geometry.shape(geometry)]
    ]
    return sorted(outlined, key=lambda piece: (-piece.area_px, piece.outline.bounds))
