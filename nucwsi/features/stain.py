"""How much haematoxylin and eosin a nucleus and its surroundings hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.color import hed_from_rgb

from nucwsi.features.cells import Pixels

#: Optical density of each value of a channel. Value 0 counts as 1, as it cannot be told how dark.
_DENSITY = -np.log10(np.maximum(np.arange(256), 1) / 255)

#: (3, 3, 256): what each value of each channel adds to each stain. A product of matrices would
#: depend, in its last digits, on the number of pixels.
_SHARES = (hed_from_rgb.T[:, :, None] * _DENSITY).astype(np.float32)

#: Share of the pixels of a nucleus below a quantile.
_QUANTILES = {"p10": 0.1, "median": 0.5, "p90": 0.9}

#: The stains that are told apart.
STAINS = ("haematoxylin", "eosin")

NAMES = (
    *(f"{stain}_{what}" for stain in STAINS for what in ("mean", "sd", *_QUANTILES)),
    *("haematoxylin_rim", "other_stain_mean"),
    *(f"{stain}_{where}" for where in ("around", "near") for stain in STAINS),
)


def separated(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Tell stains apart by their colour.

    Parameters
    ----------
    pixels : (..., 3) ndarray of uint8
        Red, green and blue, 0 to 255.

    Returns
    -------
    (3, ...) ndarray of float32
        Optical density of haematoxylin, of eosin, and of what is neither; a pixel of another colour
        may have negative ones.

    References
    ----------
    Ruifrok and Johnston, Analytical and Quantitative Cytology and Histology 23 (2001), with the
    colours of stains that they measured, as scikit-image has them.
    """
    red, green, blue = np.moveaxis(pixels, -1, 0)
    stains = np.empty((3, *red.shape), np.float32)
    for at, shares in enumerate(_SHARES):
        stains[at] = shares[0][red] + shares[1][green] + shares[2][blue]
    return stains


def stain_features(
    stains: NDArray[np.float32], nucleus: Pixels, inner: Pixels, rings: tuple[Pixels, Pixels]
) -> NDArray[np.float32]:
    """Measure the stains of nuclei.

    Parameters
    ----------
    stains : (3, N, S, S) ndarray of float32
        As `separated` returns them, for a cell around each nucleus.
    nucleus : Pixels
        Those of each of N nuclei, at least one.
    inner : Pixels
        Those of them that do not lie along its border.
    rings : pair of Pixels
        Those close around each nucleus, and those within some distance.

    Returns
    -------
    (N, F) ndarray of float32
        `NAMES`: optical densities. What has no pixel of its own is as dense as the nucleus.
    """
    columns, means = [], [nucleus.mean_of(layer) for layer in stains]
    for layer, mean in zip(stains[:2], means, strict=False):
        values = layer.ravel()[nucleus.where]
        deviation = values - mean[nucleus.owner]
        columns += [mean, np.sqrt(nucleus.mean(deviation * deviation))]
        columns += _quantiles(values, nucleus)
    core = _mean_or(stains[0], inner, means[0])
    # All pixels are those of the core and those of the rim.
    n_all, n_core = nucleus.size, inner.size
    rim = (means[0] * n_all - core * n_core) / np.maximum(n_all - n_core, 1)
    columns += [np.where(n_all > n_core, rim, core) - core, means[2]]
    columns += [
        _mean_or(layer, ring, mean)
        for ring in rings
        for layer, mean in zip(stains[:2], means, strict=False)
    ]
    return np.column_stack(columns).astype(np.float32)


def _mean_or(
    layer: NDArray[np.float32], pixels: Pixels, instead: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean of a stain (N,) over some pixels; where there is none, a value instead."""
    return np.where(pixels.size > 0, pixels.mean_of(layer), instead)


def _quantiles(values: NDArray[np.float32], nucleus: Pixels) -> list[NDArray[np.float32]]:
    ordered = values[np.lexsort((values, nucleus.owner))]
    size = nucleus.size
    first = np.cumsum(size) - size
    return [ordered[first + np.round(q * (size - 1)).astype(int)] for q in _QUANTILES.values()]
