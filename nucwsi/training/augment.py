"""Crops of labelled images, seen as another scanner or stainer would have shown them."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import hed_from_rgb, rgb_from_hed
from torch import Tensor

from nucwsi.config import TrainSettings
from nucwsi.models.views import VIEWS, apply_view, turn_vectors
from nucwsi.slide.resample import area_average, edge_taps
from nucwsi.training.data import Sample

#: Half-ranges at strength 1: factor and offset of each stain's density, then factors of colour.
_HED_SCALE, _HED_SHIFT = 0.25, 0.1
_BRIGHTNESS, _CONTRAST, _SATURATION = 0.2, 0.25, 0.25
_STAIN_CHANCE = 0.8
_DARKEST = 1 / 255

#: Four images fill a crop if none of their sides is longer than this share of it.
_SMALL = 0.75

#: Largest sigma of the blur, lowest quality of JPEG, and how often each is applied.
_BLUR_PX, _JPEG_QUALITY, _DEGRADE_CHANCE = 1.2, 40, 0.25


class Labels(NamedTuple):
    """What is known of a grid of pixels; see `Batch`.

    Attributes
    ----------
    cover : (H, W) ndarray of float32
    known, inside, outlined : (H, W) ndarray of bool
    hv_map : (2, H, W) ndarray of float32
    class_set : (H, W) ndarray of uint8
    share : (H, W) ndarray of float32
    """

    cover: NDArray[np.float32]
    known: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    outlined: NDArray[np.bool_]
    hv_map: NDArray[np.float32]
    class_set: NDArray[np.uint8]
    share: NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """A batch of crops.

    Attributes
    ----------
    image : (N, 3, H, W) Tensor of float32
        RGB in [0, 1].
    plain : (N, 3, H, W) Tensor of float32
        The same before its colours were changed and it was blurred.
    cover : (N, H, W) Tensor of float32
        Share of each pixel that nuclei cover.
    known : (N, H, W) Tensor of bool
        Where that is known: within the image, and not at the rim of nuclei known as points.
    inside : (N, H, W) Tensor of bool
        Whether the middle of each pixel is nucleus.
    outlined : (N, H, W) Tensor of bool
        Where the outlines of nuclei are known: within the image, and not among points.
    hv_map : (N, 2, H, W) Tensor of float32
    class_set : (N, H, W) Tensor of uint8
        Bit c allows class c; 0 is unsupervised.
    share : (N, H, W) Tensor of float32
        Of the nucleus that `class_set` speaks of: sums to one over the whole nucleus.
    """

    image: Tensor
    plain: Tensor
    cover: Tensor
    known: Tensor
    inside: Tensor
    outlined: Tensor
    hv_map: Tensor
    class_set: Tensor
    share: Tensor

    def on(self, device: torch.device) -> Batch:
        """Return the batch on a device, its image laid out as the network wants it.

        Parameters
        ----------
        device : torch.device

        Returns
        -------
        Batch
        """
        moved = Batch(*(getattr(self, field.name).to(device) for field in fields(self)))
        return replace(moved, image=moved.image.contiguous(memory_format=torch.channels_last))


def _colour(
    image: NDArray[np.float32], strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    def factor(half_range: float) -> float:
        return 1 + strength * rng.uniform(-half_range, half_range)

    if strength and rng.random() < _STAIN_CHANCE:
        # Stains may come out negative, so that a picture that is not changed stays as it is.
        stains = -np.log(np.maximum(image, _DARKEST)) @ hed_from_rgb.astype(np.float32)
        stains *= 1 + strength * rng.uniform(-_HED_SCALE, _HED_SCALE, 3).astype(np.float32)
        stains += strength * rng.uniform(-_HED_SHIFT, _HED_SHIFT, 3).astype(np.float32)
        image = np.exp(-stains @ rgb_from_hed.astype(np.float32))
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * factor(_SATURATION)
    mean = image.mean()
    image = mean + (image - mean) * factor(_CONTRAST)
    return image * factor(_BRIGHTNESS)


def _degrade(
    image: NDArray[np.float32], strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
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
    nuclei = sample.nucleus[source].astype(np.uint8) * 255
    seen = area_average(np.dstack([sample.image[source], nuclei]), *taps)
    averaged = seen.astype(np.float32) / np.float32(255)
    middles = [np.floor((edges[:-1] + edges[1:]) / 2).astype(int) for edges in (rows, columns)]
    at = np.ix_(_mirror(middles[0], height), _mirror(middles[1], width))
    there = np.outer(*(_within(m, n) for m, n in zip(middles, (height, width), strict=True)))
    known = there & sample.known[at]
    areas_px = np.outer(np.diff(rows), np.diff(columns))
    labels = Labels(
        averaged[..., 3],
        known,
        sample.nucleus[at],
        known & sample.outlined,
        sample.hv_map[:, at[0], at[1]],
        sample.class_set[at] * there,
        (areas_px / sample.owner_px[sample.owner[at]]).astype(np.float32),
    )
    return averaged[..., :3], labels


def _mirror(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


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


def crop(sample: Sample, how: TrainSettings, rng: np.random.Generator, side_px: int) -> Batch:
    """Cut one augmented crop.

    Parameters
    ----------
    sample : Sample
    how : TrainSettings
    rng : numpy.random.Generator
    side_px : int

    Returns
    -------
    Batch
        Of one.
    """
    zoom, stretch = (np.exp(rng.uniform(-1, 1) * np.log(f)) for f in (how.zoom, how.stretch))
    scales = sample.scale / zoom * np.sqrt([stretch, 1 / stretch])
    rows, columns = (
        _edges(side, side_px, scale, how.warp, rng)
        for side, scale in zip(sample.instances.shape, scales, strict=True)
    )
    plain, labels = sampled(sample, rows, columns)
    image = _degrade(_colour(plain, how.colour, rng), how.degrade, rng)
    view = VIEWS[rng.integers(8) if how.views else 0]
    return _batch(image.clip(0, 1).astype(np.float32), plain, labels, view)


def whole(sample: Sample, stride: int) -> Batch:
    """Look at a whole sample as the pipeline would, without augmentation.

    Parameters
    ----------
    sample : Sample
    stride : int
        Sides are cut to multiples of this, in pixels of the model.

    Returns
    -------
    Batch
        Of one.
    """
    sizes = [max(1, int(side / sample.scale) // stride) * stride for side in sample.instances.shape]
    rows, columns = (np.arange(size + 1, dtype=np.float64) * sample.scale for size in sizes)
    image, labels = sampled(sample, rows, columns)
    return _batch(image, image, labels, VIEWS[0])


def _batch(
    image: NDArray[np.float32], plain: NDArray[np.float32], labels: Labels, view: tuple[bool, int]
) -> Batch:
    turned = turn_vectors(torch.from_numpy(labels.hv_map), view).numpy()
    seen = (image.transpose(2, 0, 1), plain.transpose(2, 0, 1), *labels._replace(hv_map=turned))
    return Batch(*(apply_view(torch.from_numpy(np.ascontiguousarray(x)), view)[None] for x in seen))


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
    chances : (len(samples),) ndarray of float
        Probability of each sample; sums to one.
    how : TrainSettings
    rng : numpy.random.Generator

    Returns
    -------
    batch : Batch
    names : list of str
        Of the samples that the crops come from.
    """
    chosen = [samples[index] for index in rng.choice(len(samples), how.batch_size, p=chances)]
    crops, names = [], []
    for sample in chosen:
        small = how.mosaic and max(sample.instances.shape) / sample.scale < _SMALL * how.crop_px
        if small:
            source = sample.name.split("/")[0]
            beside = [s for s in samples if s.name.startswith(f"{source}/")]
            four = [sample, *(beside[index] for index in rng.integers(len(beside), size=3))]
            quarters = [crop(one, how, rng, how.crop_px // 2) for one in four]
            crops.append(_joined([_joined(quarters[:2], -1), _joined(quarters[2:], -1)], -2))
        else:
            four = [sample]
            crops.append(crop(sample, how, rng, how.crop_px))
        names += [one.name for one in four]
    return _joined(crops, 0), names


def _joined(batches: list[Batch], axis: int) -> Batch:
    """Lay batches side by side, below each other, or behind each other."""
    return Batch(*(torch.cat([getattr(b, f.name) for b in batches], axis) for f in fields(Batch)))
