"""Pictures instead of slides: the nuclei of a labelled image, to be compared with its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from rasterio.features import rasterize

from nucwsi.models.ensemble import Ensemble, QuantisedMaps, choose_precision
from nucwsi.models.unet import UNet
from nucwsi.nuclei.pixels import connected
from nucwsi.nuclei.window import Constants, WindowMaps, nuclei_of
from nucwsi.training.augment import sampled
from nucwsi.training.data import Sample

#: Mirrored pixels around a picture. A network may see farther, but what it would see there is no
#: tissue, and a small picture would cost ten times as much.
_MARGIN_PX = 64

#: Largest distance between the centroids of a pair: 12 px at 0.25 and 6 px at 0.5 µm/px, as in
#: Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 4.2.
MATCH_UM = 3.0


@dataclass(frozen=True)
class Found:
    """Nuclei of a picture, on its own pixels.

    Attributes
    ----------
    labels : (H, W) ndarray of int32
        k is the k-th nucleus; where outlines overlap, the later one.
    centroids : (N, 2) ndarray of float64
        Row and column.
    class_code : (N,) ndarray of uint8
    class_probabilities : (N, C) ndarray of float32
    contrasts : (N, Q · C) ndarray of float32
    """

    labels: NDArray[np.int32]
    centroids: NDArray[np.float64]
    class_code: NDArray[np.uint8]
    class_probabilities: NDArray[np.float32]
    contrasts: NDArray[np.float32]


def predicted(ensemble: Ensemble, sample: Sample, stride: int) -> QuantisedMaps:
    """Predict the maps of a picture, mirrored at its edges.

    Parameters
    ----------
    ensemble : Ensemble
    sample : Sample
    stride : int
        Of the networks; 64 is a multiple of it.

    Returns
    -------
    QuantisedMaps
        At the model's mpp.
    """
    shape = [int(np.ceil(side / sample.scale - 1e-6)) for side in sample.instances.shape]
    edges = [
        np.arange(-_MARGIN_PX, -(-side // stride) * stride + _MARGIN_PX + 1.0) * sample.scale
        for side in shape
    ]
    image, _ = sampled(sample, edges[0], edges[1])
    rgb = np.ascontiguousarray(np.rint(image * 255).astype(np.uint8).transpose(2, 0, 1))[None]
    maps = ensemble.quantised(rgb, _MARGIN_PX)[0]
    height, width = shape
    return QuantisedMaps._make(values[..., :height, :width] for values in maps)


def maps_of(network: UNet, samples: list[Sample], device: torch.device) -> list[QuantisedMaps]:
    """Predict the maps of pictures with one network in one view.

    Parameters
    ----------
    network : UNet
        On `device`.
    samples : list of Sample
    device : torch.device

    Returns
    -------
    list of QuantisedMaps
        At the model's mpp.
    """
    members = (network.eval().folded(),)
    ensemble = Ensemble(members, device, choose_precision(device), views=1)
    return [predicted(ensemble, sample, network.stride) for sample in samples]


def found(maps: QuantisedMaps, fixed: Constants, sample: Sample) -> Found:
    """Cut the nuclei out of the maps of a picture.

    Parameters
    ----------
    maps : QuantisedMaps
        At the model's mpp.
    fixed : Constants
    sample : Sample
        If it is outlined, nuclei that lie for the greater part where nothing is known are left out.

    Returns
    -------
    Found
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
    every = Found(labels, centroids, *classes)
    return _where_known(every, sample.known) if sample.outlined else every


def _where_known(every: Found, known: NDArray[np.bool_]) -> Found:
    if known.all():
        return every
    total, seen = (
        np.bincount(every.labels.ravel(), weight, len(every.centroids) + 1)[1:]
        for weight in (None, known.ravel())
    )
    kept = np.flatnonzero(2 * seen >= total)
    number = np.zeros(len(total) + 1, np.int32)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    return Found(
        number[every.labels],
        every.centroids[kept],
        every.class_code[kept],
        every.class_probabilities[kept],
        every.contrasts[kept],
    )
