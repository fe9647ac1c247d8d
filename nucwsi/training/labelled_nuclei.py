"""The nuclei that a network finds in a labelled image, on the image's own pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from rasterio.features import rasterize

from nucwsi.models.ensemble import Ensemble
from nucwsi.models.precision import choose_precision
from nucwsi.models.quantised import QuantisedMaps
from nucwsi.models.unet import UNet
from nucwsi.nuclei.constants import PixelConstants
from nucwsi.nuclei.pixels import connected
from nucwsi.nuclei.window import WindowMaps, nuclei_of
from nucwsi.training.batches import resample
from nucwsi.training.sample import Sample

#: Mirrored pixels around an image, of each member's own. Some networks see farther, but wider
#: margins would add no tissue and make a small image ten times as expensive.
_MARGIN_PX = 64


@dataclass(frozen=True)
class ImageNuclei:
    """N nuclei found in a labelled image, on its own pixels; C classes.

    Attributes
    ----------
    labels : (H, W) ndarray of int32
        0 is background, k the k-th nucleus; where outlines overlap, the later one.
    centroids : (N, 2) ndarray of float64
        Row and column in pixels of the image.
    class_code : (N,) ndarray of uint8
        Most probable class.
    class_probabilities : (N, C) ndarray of float32
        0 to 1; each row adds up to 1.
    contrasts : (N, Q · C) ndarray of float32
        How far the answers of an ensemble lie apart, as in `NucleusTable`; Q = 0 for one answer.
    area_px : (N,) ndarray of float64
        Area in pixels of the maps.
    """

    labels: NDArray[np.int32]
    centroids: NDArray[np.float64]
    class_code: NDArray[np.uint8]
    class_probabilities: NDArray[np.float32]
    contrasts: NDArray[np.float32]
    area_px: NDArray[np.float64]


def predict_image(ensemble: Ensemble, sample: Sample) -> QuantisedMaps:
    """Predict the maps of a labelled image, which is mirrored at its edges.

    Parameters
    ----------
    ensemble : Ensemble
        Its stride divides 64.
    sample : Sample
        The labelled image.

    Returns
    -------
    QuantisedMaps
        At the canvas' mpp; they cover the whole image.
    """
    stride, margin_px = ensemble.stride, ensemble.margin_px(_MARGIN_PX)
    shape = [int(np.ceil(side / sample.scale - 1e-6)) for side in sample.instances.shape]
    edges = [
        np.arange(-margin_px, -(-side // stride) * stride + margin_px + 1.0) * sample.scale
        for side in shape
    ]
    image, _ = resample(sample, edges[0], edges[1])
    rgb = np.ascontiguousarray(np.rint(image * 255).astype(np.uint8).transpose(2, 0, 1))[None]
    maps = ensemble.quantised(rgb, margin_px)[0]
    height, width = shape
    return QuantisedMaps._make(values[..., :height, :width] for values in maps)


def predict_images(
    network: UNet,
    samples: list[Sample],
    device: torch.device,
    advance: Callable[[int], None] = lambda _count: None,
) -> list[QuantisedMaps]:
    """Predict the maps of labelled images with one network in one view.

    Parameters
    ----------
    network : UNet
        On `device`; it is switched to evaluation.
    samples : list of Sample
        The labelled images.
    device : torch.device
        Where the network is.
    advance : callable
        Called with 1 after each image.

    Returns
    -------
    list of QuantisedMaps
        Maps of each sample at the network's mpp.
    """
    members = (network.eval().folded(),)
    ensemble = Ensemble(members, device, choose_precision(device), views=1)
    maps = []
    for sample in samples:
        maps.append(predict_image(ensemble, sample))
        advance(1)
    return maps


def find_nuclei(maps: QuantisedMaps, fixed: PixelConstants, sample: Sample) -> ImageNuclei:
    """Make nuclei of the maps of a labelled image, as `segment` does it for a slide.

    Parameters
    ----------
    maps : QuantisedMaps
        At the network's mpp.
    fixed : PixelConstants
        Constants of post-processing in pixels of the maps.
    sample : Sample
        The labelled image. If it is outlined, nuclei that lie mostly on pixels of which nothing is
        known are left out.

    Returns
    -------
    ImageNuclei
        On the pixels of the image.
    """
    height, width = maps.np_map.shape
    everywhere = np.ones((height + 2, width + 2), bool)
    components, count = connected(maps.np_map >= fixed.np_level)
    nuclei = nuclei_of(WindowMaps(everywhere, *maps), components, count, fixed)
    outlines = shapely.transform(nuclei.outlines.polygons, lambda xy: xy * sample.scale)
    labels = np.zeros(sample.instances.shape, np.int32)
    if len(outlines):
        numbered = ((outline, number) for number, outline in enumerate(outlines, start=1))
        labels = rasterize(numbered, out_shape=labels.shape, dtype="int32")
    centroids = shapely.get_coordinates(shapely.centroid(outlines))[:, ::-1]
    classes = (nuclei.class_code, nuclei.class_probabilities, nuclei.contrasts)
    found = ImageNuclei(labels, centroids, *classes, shapely.area(nuclei.outlines.polygons))
    return _where_known(found, sample.known) if sample.outlined else found


def _where_known(nuclei: ImageNuclei, known: NDArray[np.bool_]) -> ImageNuclei:
    """Keep the nuclei of which at least half of the pixels are known (H, W)."""
    if known.all():
        return nuclei
    total, seen = (
        np.bincount(nuclei.labels.ravel(), weight, len(nuclei.centroids) + 1)[1:]
        for weight in (None, known.ravel())
    )
    kept = np.flatnonzero(2 * seen >= total)
    number = np.zeros(len(total) + 1, np.int32)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    return ImageNuclei(
        number[nuclei.labels],
        nuclei.centroids[kept],
        nuclei.class_code[kept],
        nuclei.class_probabilities[kept],
        nuclei.contrasts[kept],
        nuclei.area_px[kept],
    )
