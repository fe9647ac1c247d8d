"""How far a network's counts can be trusted, and on what tissue: measured on labelled images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.metrics import interval_coverage
from nucwsi.models.quantised import QuantisedMaps
from nucwsi.nuclei.constants import PixelConstants
from nucwsi.nuclei.domain import DESCRIPTORS, Domain, colour_sums, descriptors
from nucwsi.nuclei.miscount import Miscount
from nucwsi.training.batches import resample
from nucwsi.training.count_truth import ImageCounts, count_images, telling
from nucwsi.training.labelled_nuclei import ImageNuclei, find_nuclei
from nucwsi.training.sample import Sample

#: Images of one source weigh as much in a domain as so many at most.
_LARGEST_WEIGHT = 50.0

#: Images of a training set that are enough to tell how its nuclei look.
LOOKED_AT = 300

#: Fewer images do not tell how nuclei look.
_FEWEST_IMAGES = 20


class Seen(NamedTuple):
    """A labelled image that a network has seen, without its pixels, which take too much memory.

    Attributes
    ----------
    sample : Sample
        The truth; its arrays of pixels are empty.
    nuclei : ImageNuclei
        What was found; `labels` is empty.
    colour : (4,) ndarray of int64
        `domain.colour_sums` of the image.
    """

    sample: Sample
    nuclei: ImageNuclei
    colour: NDArray[np.int64]


class Trust(NamedTuple):
    """What was measured.

    Attributes
    ----------
    miscount : Miscount or None
        What counts are off by; None if no image knows a count.
    domain : Domain or None
        How nuclei look that were learnt from; None where too few images show it.
    about : dict
        For the card: the images of each source, and the coverage of the intervals of each class.
    """

    miscount: Miscount | None
    domain: Domain | None
    about: dict[str, Any]


def see(sample: Sample, maps: QuantisedMaps, fixed: PixelConstants) -> Seen:
    """Keep of an image what tells how it was counted, and how its nuclei look.

    Parameters
    ----------
    sample : Sample
        The labelled image.
    maps : QuantisedMaps
        What the network answers for it.
    fixed : PixelConstants
        Constants of post-processing in pixels of the maps.

    Returns
    -------
    Seen
        Without pixels.
    """
    nuclei = find_nuclei(maps, fixed, sample)
    height, width = maps.np_map.shape
    rows, columns = (np.arange(side + 1.0) * sample.scale for side in (height, width))
    image, _ = resample(sample, rows, columns)
    rgb = np.rint(image * 255).astype(np.uint8).transpose(2, 0, 1)
    blank = np.zeros((0, 0), np.int32)
    light = replace(
        sample,
        image=np.zeros((0, 0, 3), np.uint8),
        instances=blank,
        nucleus=blank > 0,
        known=blank > 0,
        hv_map=np.zeros((2, 0, 0), np.float32),
        class_set=blank.astype(np.uint8),
        owner=blank,
    )
    return Seen(light, replace(nuclei, labels=blank), colour_sums(rgb, maps.np_map))


def counts_of(seen: list[Seen], n_classes: int) -> ImageCounts:
    """Compare true and estimated counts of the images whose labels tell kinds of cells apart.

    Parameters
    ----------
    seen : list of Seen
        Any images.
    n_classes : int
        Classes of the network.

    Returns
    -------
    ImageCounts
        Of those that know the count of some class.
    """
    told = telling([one.sample for one in seen])
    used = [one for one, wanted in zip(seen, told, strict=True) if wanted]
    return count_images([one.sample for one in used], [one.nuclei for one in used], n_classes)


def look_of(one: Seen, mpp: float) -> NDArray[np.float64]:
    """Describe how the nuclei of an image look.

    Parameters
    ----------
    one : Seen
        The image.
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    (6,) ndarray of float64
        As `domain.descriptors`; NaN for too few nuclei.
    """
    group = np.zeros(len(one.nuclei.class_code), np.int64)
    certainty = one.nuclei.class_probabilities.max(axis=1, initial=0)
    return descriptors(group, one.nuclei.area_px * mpp**2, certainty, 1, one.colour)[0]


def domain_of(seen: list[Seen], mpp: float) -> Domain | None:
    """Describe the domain in which images lie.

    Parameters
    ----------
    seen : list of Seen
        The images; those of too few nuclei are left out.
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    Domain or None
        None for fewer than 20 images. A source of many images weighs little more than one of 50.
    """
    looks = np.reshape([look_of(one, mpp) for one in seen], (len(seen), len(DESCRIPTORS)))
    usable = np.flatnonzero(np.isfinite(looks).all(axis=1))
    if len(usable) < _FEWEST_IMAGES:
        return None
    source = np.array([seen[place].sample.dataset for place in usable])
    _, index, count = np.unique(source, return_inverse=True, return_counts=True)
    weights = (_LARGEST_WEIGHT / (_LARGEST_WEIGHT + count.astype(np.float64)))[index]
    return Domain.of(looks[usable], weights)


def measure_trust(
    fitted: list[Seen], inside: list[Seen], classes: tuple[str, ...], mpp: float
) -> Trust:
    """Measure what the counts of a network are off by, and describe its domain.

    Parameters
    ----------
    fitted : list of Seen
        Images that the network has not learnt from; the counts of those that know some are used.
    inside : list of Seen
        Images of the sources that it has learnt from.
    classes : tuple of str
        Its classes.
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    Trust
        Numbers are rounded to four digits.
    """
    counts, domain = counts_of(fitted, len(classes)), domain_of(inside, mpp)
    if not len(counts.truth):
        return Trust(None, domain, {"images": {}, "coverage": {}})
    error = counts.error()
    names, images = np.unique(counts.source, return_counts=True)
    low, high = counts.left_out()
    by_source = {
        str(name): interval_coverage(
            *(values[counts.source == name] for values in (counts.truth, low, high, counts.known))
        )
        for name in names
    }
    about = {
        "images": dict(zip(map(str, names), images.tolist(), strict=True)),
        "coverage": {name: _known(classes, shares) for name, shares in by_source.items()},
    }
    confusion = dict(zip(classes, error.confusion.round(4).tolist(), strict=True))
    return Trust(Miscount(round(error.lone, 4), round(error.common, 4), confusion), domain, about)


def _known(classes: tuple[str, ...], values: NDArray[np.float64]) -> dict[str, float]:
    named = zip(classes, values.round(4).tolist(), strict=True)
    return {name: value for name, value in named if np.isfinite(value)}
