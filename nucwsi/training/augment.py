"""Random crops of labelled images, as another scanner or another stain would have shown them."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import hed_from_rgb, rgb_from_hed

from nucwsi.config import TrainSettings
from nucwsi.models.views import VIEWS
from nucwsi.training.batches import Batch, batch_of_one, joined, resample
from nucwsi.training.sample import Sample

#: Half-ranges at strength 1: factor and offset of each stain's density, then factors of colour.
_HED_SCALE, _HED_SHIFT = 0.25, 0.1
_BRIGHTNESS, _CONTRAST, _SATURATION = 0.2, 0.25, 0.25

#: How often the stains are changed, and the least value in [0, 1] that has a finite density.
_STAIN_CHANCE, _DARKEST = 0.8, 1 / 255

_STAINS_OF_RGB, _RGB_OF_STAINS = hed_from_rgb.astype(np.float32), rgb_from_hed.astype(np.float32)

#: Blank glass has no spread of densities to be stretched.
_LEAST_SPREAD = 0.01

#: Of an image whose colours another takes over, one pixel of so many along each axis is looked at.
_LOOK_STEP = 4

#: A mosaic of four fills the crop if no side of the drawn image exceeds this share of the crop's.
_SMALL = 0.75

#: Largest sigma of the blur in pixels, lowest quality of JPEG (0 to 100), and how often each is
#: applied.
_BLUR_PX, _JPEG_QUALITY, _DEGRADE_CHANCE = 1.2, 40, 0.25


def change_colours(
    image: NDArray[np.float32], strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change the densities of the stains at random, then saturation, contrast and brightness.

    The stains are separated as by Ruifrok and Johnston, Analytical and Quantitative Cytology and
    Histology 23, 2001; their jitter is that of Tellez et al., Medical Image Analysis 58, 2019.

    Parameters
    ----------
    image : (H, W, 3) ndarray of float32
        RGB in [0, 1], on the pixels of the network.
    strength : float
        Factor of all ranges; 0 leaves the image as it is.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    (H, W, 3) ndarray of float32
        RGB on the same pixels; may lie beyond [0, 1].
    """

    def _factor(half_range: float) -> float:
        return 1 + strength * rng.uniform(-half_range, half_range)

    if strength and rng.random() < _STAIN_CHANCE:
        # Stains may come out negative, so that an image that is not changed stays as it is.
        stains = _densities(image)
        stains *= 1 + strength * rng.uniform(-_HED_SCALE, _HED_SCALE, 3).astype(np.float32)
        stains += strength * rng.uniform(-_HED_SHIFT, _HED_SHIFT, 3).astype(np.float32)
        image = _coloured(stains)
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * _factor(_SATURATION)
    mean = image.mean()
    image = mean + (image - mean) * _factor(_CONTRAST)
    return image * _factor(_BRIGHTNESS)


def take_colours(image: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give an image the mean and the spread of each stain's density in another.

    Parameters
    ----------
    image : (H, W, 3) ndarray of float32
        RGB in [0, 1].
    other : (h, w, 3) ndarray of float32
        RGB in [0, 1] of another image, on any pixels.

    Returns
    -------
    (H, W, 3) ndarray of float32
        RGB on the pixels of `image`; may lie beyond [0, 1].

    References
    ----------
    Reinhard et al., Color Transfer between Images, IEEE Computer Graphics and Applications 21,
    2001, equations 10 and 11; here in densities of stains instead of its colour space.
    """
    own, wanted = _densities(image), _densities(other)
    spread = wanted.std((0, 1)) / np.maximum(own.std((0, 1)), _LEAST_SPREAD)
    return _coloured((own - own.mean((0, 1))) * spread + wanted.mean((0, 1)))


def _densities(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Separate the stains of an image (H, W, 3)."""
    stains: NDArray[np.float32] = -np.log(np.maximum(image, _DARKEST)) @ _STAINS_OF_RGB
    return stains


def _coloured(stains: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the RGB of densities (H, W, 3)."""
    image: NDArray[np.float32] = np.exp(-stains @ _RGB_OF_STAINS)
    return image


def degrade(
    image: NDArray[np.float32], strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Blur an image at random, and compress it as JPEG at random.

    Parameters
    ----------
    image : (H, W, 3) ndarray of float32
        RGB, about [0, 1], on the pixels of the network.
    strength : float
        Factor of both probabilities; 0 leaves the image as it is.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    (H, W, 3) ndarray of float32
        RGB on the same pixels.
    """
    if rng.random() < _DEGRADE_CHANCE * strength:
        sigma = rng.uniform(0, _BLUR_PX)
        image = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    if rng.random() < _DEGRADE_CHANCE * strength:
        buffer = io.BytesIO()
        pixels = (image.clip(0, 1) * 255).round().astype(np.uint8)
        quality = int(rng.integers(_JPEG_QUALITY, 95))
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
        image = np.asarray(Image.open(buffer), np.float32) / np.float32(255)
    return image


def _pixel_edges(
    side: int, size_px: int, scale: float, warp: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw where the edges (size_px + 1,) of a crop's pixels lie along one axis of the sample."""
    place = np.linspace(0, 1, size_px)
    wave = np.sin(2 * np.pi * (rng.uniform(0.5, 2) * place + rng.random()))
    steps = scale * (1 + rng.uniform(-warp, warp) * wave)
    edges = np.concatenate([[0.0], np.cumsum(steps)])
    room = side - edges[-1]
    return edges + rng.uniform(min(0, room), max(0, room))


def draw_crop(
    sample: Sample,
    how: TrainSettings,
    rng: np.random.Generator,
    side_px: int,
    look: Sample | None = None,
) -> Batch:
    """Cut one augmented crop out of a sample.

    Parameters
    ----------
    sample : Sample
        The labelled image.
    how : TrainSettings
        Ranges of zoom, stretch, warp, colours and blur, and whether the crop may be turned.
    rng : numpy.random.Generator
        Source of randomness.
    side_px : int
        Side of the crop in pixels of the network.
    look : Sample, optional
        Whose colours the crop takes over before they are changed; default: it keeps its own.

    Returns
    -------
    Batch
        Of one crop.
    """
    zoom, stretch = (np.exp(rng.uniform(-1, 1) * np.log(f)) for f in (how.zoom, how.stretch))
    scales = sample.scale / zoom * np.sqrt([stretch, 1 / stretch])
    rows, columns = (
        _pixel_edges(side, side_px, scale, how.warp, rng)
        for side, scale in zip(sample.instances.shape, scales, strict=True)
    )
    plain, labels = resample(sample, rows, columns)
    image = plain
    if look is not None:
        other = np.asarray(look.image[::_LOOK_STEP, ::_LOOK_STEP], np.float32)
        image = take_colours(plain, other / np.float32(255))
    image = degrade(change_colours(image, how.colour, rng), how.degrade, rng)
    view = VIEWS[rng.integers(8) if how.views else 0]
    return batch_of_one(image.clip(0, 1).astype(np.float32), plain, labels, view)


def draw_batch(
    samples: list[Sample],
    chances: NDArray[np.float64],
    how: TrainSettings,
    rng: np.random.Generator,
) -> tuple[Batch, list[str]]:
    """Draw a batch of augmented crops.

    Parameters
    ----------
    samples : list of Sample
        To draw from.
    chances : (N,) ndarray of float
        Probability of each of the N samples; sums to one.
    how : TrainSettings
        Size of batch and crops, and what `draw_crop` needs.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    batch : Batch
        Of `how.batch_size` crops.
    names : list of str
        Names of the samples that the crops come from; four of one data set for a mosaic.
    """
    chosen = [samples[index] for index in rng.choice(len(samples), how.batch_size, p=chances)]
    crops, names = [], []
    for sample in chosen:
        # Without matching, chance is not asked: crops are those of versions that did not have it.
        matches = how.stain_matching > 0 and rng.random() < how.stain_matching
        look = samples[rng.integers(len(samples))] if matches else None
        small = how.mosaic and max(sample.instances.shape) / sample.scale < _SMALL * how.crop_px
        if small:
            beside = [other for other in samples if other.dataset == sample.dataset]
            sources = [sample, *(beside[index] for index in rng.integers(len(beside), size=3))]
            quarters = [draw_crop(one, how, rng, how.crop_px // 2, look) for one in sources]
            crops.append(joined([joined(quarters[:2], -1), joined(quarters[2:], -1)], -2))
        else:
            sources = [sample]
            crops.append(draw_crop(sample, how, rng, how.crop_px, look))
        names += [one.name for one in sources]
    return joined(crops, 0), names
