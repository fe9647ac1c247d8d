"""Labelled images on the pixel grid of a network: crops, their targets, and batches of them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nucwsi.models.views import apply_view, turn_vectors
from nucwsi.slide.resample import area_average, edge_taps
from nucwsi.training.sample import Sample


class PixelLabels(NamedTuple):
    """What is known of a grid of pixels, H rows by W columns.

    Attributes
    ----------
    cover : (H, W) ndarray of float32
        Share of each pixel that nuclei cover, 0 to 1.
    known : (H, W) ndarray of bool
        Where `cover` is known: within the image, and not at the rim of nuclei known as points.
    inside : (H, W) ndarray of bool
        Whether the middle of each pixel is nucleus.
    outlined : (H, W) ndarray of bool
        Where the outlines of nuclei are known: within the image, and not among points.
    hv_map : (2, H, W) ndarray of float32
        Target of the `hv` head: horizontal and vertical position in the nucleus, -1 to 1.
    class_set : (H, W) ndarray of uint8
        Bit c allows class c; 0 where the class is not supervised.
    share : (H, W) ndarray of float32
        Area of the pixel as a share of the nucleus that `class_set` speaks of: it sums to one over
        a whole nucleus.
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
    """N crops with their labels, on the pixels of the network; see `PixelLabels`.

    Attributes
    ----------
    image : (N, 3, H, W) Tensor of float32
        RGB in [0, 1].
    plain : (N, 3, H, W) Tensor of float32
        `image` before its colours were changed and it was blurred.
    cover : (N, H, W) Tensor of float32
        Share of each pixel that nuclei cover, 0 to 1.
    known : (N, H, W) Tensor of bool
        Where `cover` is known.
    inside : (N, H, W) Tensor of bool
        Whether the middle of each pixel is nucleus.
    outlined : (N, H, W) Tensor of bool
        Where the outlines of nuclei are known.
    hv_map : (N, 2, H, W) Tensor of float32
        Target of the `hv` head, -1 to 1.
    class_set : (N, H, W) Tensor of uint8
        Bit c allows class c; 0 where the class is not supervised.
    share : (N, H, W) Tensor of float32
        Area of the pixel as a share of its nucleus.
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
        """Return the batch on a device, its image with channels last, as networks are faster.

        Parameters
        ----------
        device : torch.device
            Where the network is.

        Returns
        -------
        Batch
            Of equal values.
        """
        moved = Batch(*(getattr(self, field.name).to(device) for field in fields(self)))
        return replace(moved, image=moved.image.contiguous(memory_format=torch.channels_last))


def resample(
    sample: Sample, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> tuple[NDArray[np.float32], PixelLabels]:
    """Look at a sample through a grid of pixels of any size.

    The image is averaged over the area of each pixel, as `tile` does it for a slide; the labels are
    those at the middle of the pixel. Beyond the sample the image is mirrored, and no label is
    known.

    Parameters
    ----------
    sample : Sample
        The labelled image.
    rows, columns : (H + 1,) and (W + 1,) ndarray of float64
        Edges of the grid's pixels in pixels of the sample, ascending; may lie beyond it.

    Returns
    -------
    image : (H, W, 3) ndarray of float32
        RGB in [0, 1].
    labels : PixelLabels
        On the same pixels.
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
    labels = PixelLabels(
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
    """Reflect indices beyond 0 to size - 1 back into that range, the edge pixel repeated."""
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


def _within(index: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    return (index >= 0) & (index < size)


def batch_of_one(
    image: NDArray[np.float32],
    plain: NDArray[np.float32],
    labels: PixelLabels,
    view: tuple[bool, int],
) -> Batch:
    """Make a batch of one crop, flipped and turned.

    Parameters
    ----------
    image, plain : (H, W, 3) ndarray of float32
        RGB in [0, 1], after and before the colours were changed.
    labels : PixelLabels
        On the same pixels.
    view : (bool, int)
        One of `nucwsi.models.views.VIEWS`: flip, then quarter turns.

    Returns
    -------
    Batch
        Positions of the `hv` map are turned with the image.
    """
    turned = turn_vectors(torch.from_numpy(labels.hv_map), view).numpy()
    parts = (image.transpose(2, 0, 1), plain.transpose(2, 0, 1), *labels._replace(hv_map=turned))
    return Batch(
        *(apply_view(torch.from_numpy(np.ascontiguousarray(x)), view)[None] for x in parts)
    )


def joined(batches: list[Batch], axis: int) -> Batch:
    """Concatenate batches along one axis.

    Parameters
    ----------
    batches : list of Batch
        Of sizes that fit.
    axis : int
        -1: side by side; -2: one below the other; 0: one after the other.

    Returns
    -------
    Batch
        All their crops, or crops that are put together from theirs.
    """
    return Batch(*(torch.cat([getattr(b, f.name) for b in batches], axis) for f in fields(Batch)))
