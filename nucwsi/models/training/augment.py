"""Crops of labelled images, seen as another scanner or stainer would have shown them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import hed2rgb, rgb2hed
from torch import Tensor

from nucwsi.models.training.data import Sample
from nucwsi.models.views import VIEWS, apply_view, turn_vectors
from nucwsi.resample import area_average, edge_taps


@dataclass(frozen=True)
class Augmentation:
    """How far the training pictures stray; each number is a range or a probability.

    Attributes
    ----------
    zoom : float
        Largest zoom in or out, as a factor.
    stretch : float
        Largest further zoom of one axis alone, as a factor.
    warp : float
        Half-range by which the zoom swells and shrinks along each axis.
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
    stretch: float = 1.08
    warp: float = 0.12
    hed_scale: float = 0.25
    hed_shift: float = 0.02
    brightness: float = 0.2
    contrast: float = 0.25
    saturation: float = 0.25
    blur_px: float = 1.2
    blur_probability: float = 0.25
    jpeg_probability: float = 0.25
    stain_probability: float = 0.8


class Labels(NamedTuple):
    """What is known of a grid of pixels; see `Batch`.

    Attributes
    ----------
    cover : (H, W) ndarray of float32
    inside, outlined : (H, W) ndarray of bool
    hv_map : (2, H, W) ndarray of float32
    class_set : (H, W) ndarray of uint8
    """

    cover: NDArray[np.float32]
    inside: NDArray[np.bool_]
    outlined: NDArray[np.bool_]
    hv_map: NDArray[np.float32]
    class_set: NDArray[np.uint8]


@dataclass(frozen=True)
class Batch:
    """A batch of crops.

    Attributes
    ----------
    image : (N, 3, H, W) Tensor of float32
        RGB in [0, 1].
    cover : (N, H, W) Tensor of float32
        Share of each pixel that nuclei cover.
    inside : (N, H, W) Tensor of bool
        Whether the middle of each pixel is nucleus.
    outlined : (N, H, W) Tensor of bool
        Where the outlines of nuclei are known: within the image, and not among points.
    hv_map : (N, 2, H, W) Tensor of float32
    class_set : (N, H, W) Tensor of uint8
        Bit c allows class c; 0 is unsupervised.
    """

    image: Tensor
    cover: Tensor
    inside: Tensor
    outlined: Tensor
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


def sampled(
    sample: Sample, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> tuple[NDArray[np.float32], Labels]:
    """Look at a sample through a grid of pixels of any size.

    The picture is averaged over each pixel as the pipeline does it, the labels are those at its
    middle. Beyond the sample the picture is mirrored, and nothing is known.

    Parameters
    ----------
    sample : Sample
    rows, columns : (H + 1,) and (W + 1,) ndarray of float64
        Edges of the pixels in pixels of the sample, ascending.

    Returns
    -------
    image : (H, W, 3) ndarray of float32
        In [0, 1].
    labels : Labels
    """
    height, width = sample.instances.shape
    taps = edge_taps(rows), edge_taps(columns)
    spans = [np.arange(t.first, t.stop) for t in taps]
    source = np.ix_(_mirror(spans[0], height), _mirror(spans[1], width))
    nuclei = (sample.instances[source] > 0).astype(np.uint8) * 255
    seen_as = area_average(np.dstack([sample.image[source], nuclei]), *taps)
    averaged = seen_as.astype(np.float32) / np.float32(255)
    middles = [np.floor((edges[:-1] + edges[1:]) / 2).astype(int) for edges in (rows, columns)]
    at = np.ix_(_mirror(middles[0], height), _mirror(middles[1], width))
    there = np.outer(*(_within(m, n) for m, n in zip(middles, (height, width), strict=True)))
    labels = Labels(
        averaged[..., 3],
        sample.instances[at] > 0,
        there & sample.outlined,
        sample.hv_map[:, at[0], at[1]],
        sample.class_set[at] * there,
    )
    return averaged[..., :3], labels


def _within(index: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    return (index >= 0) & (index < size)


def _edges(
    side: int, size_px: int, scale: float, warp: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Lay the edges of a crop's pixels along one axis, somewhere in or around the sample."""
    place = np.linspace(0, 1, size_px)
    wave = np.sin(2 * np.pi * (rng.uniform(0.5, 2) * place + rng.random()))
    steps = scale * (1 + rng.uniform(-warp, warp) * wave)
    edges = np.concatenate([[0.0], np.cumsum(steps)])
    room = side - edges[-1]
    return edges + rng.uniform(min(0, room), max(0, room))


def crop(
    sample: Sample, size_px: int, how: Augmentation, rng: np.random.Generator
) -> tuple[Tensor, ...]:
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
    tuple of Tensor
        As in `Batch`, without its first axis.
    """
    zoom, stretch = (np.exp(rng.uniform(-1, 1) * np.log(f)) for f in (how.zoom, how.stretch))
    scales = sample.scale / zoom * np.sqrt([stretch, 1 / stretch])
    rows, columns = (
        _edges(side, size_px, scale, how.warp, rng)
        for side, scale in zip(sample.instances.shape, scales, strict=True)
    )
    image, labels = sampled(sample, rows, columns)
    image = _degrade(_colour(image, how, rng), how, rng).clip(0, 1).astype(np.float32)
    view = VIEWS[rng.integers(8)]
    known = {
        name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in labels._asdict().items()
    }
    known["hv_map"] = turn_vectors(known["hv_map"], view)
    picture = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return tuple(apply_view(tensor, view) for tensor in (picture, *known.values()))


def _mirror(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


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
