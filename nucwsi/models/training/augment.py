"""Crops of labelled images, seen as another scanner or stainer would have shown them."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import hed2rgb, rgb2hed
from torch import Tensor

from nucwsi.models.training.data import Sample
from nucwsi.models.views import VIEWS, apply_view, turn_vectors


@dataclass(frozen=True)
class Augmentation:
    """How far the training pictures stray; each number is a range or a probability.

    Attributes
    ----------
    zoom : float
        Largest zoom in or out, as a factor.
    hed_scale, hed_shift : float
        Half-range of the factor and the offset of each stain's density.
    brightness, contrast, saturation : float
        Half-ranges of these factors.
    blur_px : float
        Largest Gaussian sigma.
    blur_probability, jpeg_probability, stain_probability : float
        How often each is applied.
    """

    zoom: float = 1.3
    hed_scale: float = 0.25
    hed_shift: float = 0.02
    brightness: float = 0.2
    contrast: float = 0.25
    saturation: float = 0.25
    blur_px: float = 1.2
    blur_probability: float = 0.25
    jpeg_probability: float = 0.25
    stain_probability: float = 0.8


@dataclass(frozen=True)
class Batch:
    """A batch of crops.

    Attributes
    ----------
    image : (N, 3, H, W) Tensor of float32
        RGB in [0, 1].
    nuclei : (N, H, W) Tensor of uint8
        1 nucleus, 0 background, 255 unknown.
    hv_map : (N, 2, H, W) Tensor of float32
    class_set : (N, H, W) Tensor of uint8
        Bit c allows class c; 0 is unsupervised.
    """

    image: Tensor
    nuclei: Tensor
    hv_map: Tensor
    class_set: Tensor


def _colour(
    image: NDArray[np.float32], how: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    if rng.random() < how.stain_probability:
        stains = rgb2hed(image)
        stains *= 1 + rng.uniform(-how.hed_scale, how.hed_scale, 3)
        stains += rng.uniform(-how.hed_shift, how.hed_shift, 3)
        image = hed2rgb(stains).astype(np.float32)
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * (1 + rng.uniform(-how.saturation, how.saturation))
    mean = image.mean()
    image = mean + (image - mean) * (1 + rng.uniform(-how.contrast, how.contrast))
    return image * (1 + rng.uniform(-how.brightness, how.brightness))


def _degrade(
    image: NDArray[np.float32], how: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    if rng.random() < how.blur_probability:
        sigma = rng.uniform(0, how.blur_px)
        image = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    if rng.random() < how.jpeg_probability:
        buffer = io.BytesIO()
        pixels = (image.clip(0, 1) * 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(buffer, "JPEG", quality=int(rng.integers(40, 95)))
        image = np.asarray(Image.open(buffer), np.float32) / np.float32(255)
    return image


def crop(
    sample: Sample, size_px: int, how: Augmentation, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cut one augmented crop.

    Parameters
    ----------
    sample : Sample
    size_px : int
        Side of the crop.
    how : Augmentation
    rng : numpy.random.Generator

    Returns
    -------
    image : (3, size, size) Tensor of float32
    nuclei : (size, size) Tensor of uint8
    hv_map : (2, size, size) Tensor of float32
    class_set : (size, size) Tensor of uint8
    """
    zoom = float(np.exp(rng.uniform(-np.log(how.zoom), np.log(how.zoom))))
    height, width = sample.nuclei.shape
    reach = size_px / zoom
    top, left = (
        rng.uniform(min(0, side - reach), max(0, side - reach)) for side in (height, width)
    )
    centres = (np.arange(size_px) + 0.5) / zoom
    # Small images are mirrored outwards, labels with them.
    rows_exact, columns_exact = top + centres - 0.5, left + centres - 0.5
    rows = _mirror(np.round(rows_exact).astype(int), height)
    columns = _mirror(np.round(columns_exact).astype(int), width)
    nearest = np.ix_(rows, columns)
    image = _blend(_blend(sample.image, rows_exact, axis=1), columns_exact, axis=2)
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0)) / np.float32(255)
    pixels = _degrade(_colour(pixels, how, rng), how, rng).clip(0, 1)
    hv_map = sample.hv_map[:, nearest[0], nearest[1]].copy()
    # A mirrored copy of a nucleus points the other way.
    hv_map[0] *= _inside(columns_exact, width)[None, :]
    hv_map[1] *= _inside(rows_exact, height)[:, None]
    view = VIEWS[rng.integers(8)]
    return (
        apply_view(torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1)), view),
        apply_view(torch.from_numpy(sample.nuclei[nearest]), view),
        apply_view(turn_vectors(torch.from_numpy(hv_map), view), view),
        apply_view(torch.from_numpy(sample.class_set[nearest]), view),
    )


def _blend(
    image: NDArray[np.generic], position: NDArray[np.float64], axis: int
) -> NDArray[np.float32]:
    """Interpolate linearly along one axis, mirrored at the ends."""
    below = np.floor(position).astype(int)
    share = (position - below).astype(np.float32)
    share = np.expand_dims(share, tuple(a for a in range(image.ndim) if a != axis))
    size = image.shape[axis]
    low = image.take(_mirror(below, size), axis).astype(np.float32)
    high = image.take(_mirror(below + 1, size), axis).astype(np.float32)
    return low * (1 - share) + high * share


def _mirror(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    index = np.abs(index) % (2 * size - 2)
    return np.where(index >= size, 2 * size - 2 - index, index)


def _inside(position: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    return np.where((position > -0.5) & (position < size - 0.5), 1, -1).astype(np.float32)


def draw_batch(
    samples: list[Sample],
    weights: NDArray[np.float64],
    batch_size: int,
    size_px: int,
    how: Augmentation,
    rng: np.random.Generator,
) -> Batch:
    """Draw a batch of augmented crops.

    Parameters
    ----------
    samples : list of Sample
    weights : (len(samples),) ndarray of float
        Probability of each sample; sums to one.
    batch_size, size_px : int
        Crops, and the side of each.
    how : Augmentation
    rng : numpy.random.Generator

    Returns
    -------
    Batch
    """
    chosen = rng.choice(len(samples), batch_size, p=weights)
    crops = [crop(samples[index], size_px, how, rng) for index in chosen]
    return Batch(*(torch.stack(tensors) for tensors in zip(*crops, strict=True)))
