"""Small label images and maps, for tests of what is computed of them."""

import numpy as np
from scipy import ndimage

from nucwsi.labels.targets import hv_targets
from nucwsi.nuclei.instances import slope_limit
from nucwsi.nuclei.pixels import connected

#: Edge strength above which two of these nuclei meet.
LIMIT = slope_limit(0.12)


def discs(shape, centres, radius):
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for number, (row, column) in enumerate(centres, start=1):
        labels[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = number
    return labels


def perfect_hv(labels):
    return (hv_targets(labels) * 127).round().astype(np.int8)


def label_mask(mask):
    components, count = connected(mask)
    return components.image(), count


def label_each(labels):
    """Split every label into its 4-connected sets."""
    answer, total = np.zeros_like(labels), 0
    for number in np.unique(labels[labels > 0]):
        parts, count = label_mask(labels == number)
        answer[parts > 0] = parts[parts > 0] + total
        total += count
    return answer, total


def blobs(seed, sigma=1.0, side=64):
    rng = np.random.default_rng(seed)
    return label_mask(ndimage.gaussian_filter(rng.random((side, side)), sigma) > 0.5)


def crowd(seed, side=40):
    """Components of several nuclei, with many equally steep pixels: there the order decides."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random((side, side)), 1.5)
    mask = np.zeros((side, side), bool)
    mask[3:-3, 3:-3] = smooth[3:-3, 3:-3] > np.median(smooth)
    hv = rng.integers(-127, 128, (2, side, side)).astype(np.int8)
    hv = np.stack([ndimage.uniform_filter(layer, 5) for layer in hv]) // 24 * 24
    components, _ = label_mask(mask)
    return components, hv
