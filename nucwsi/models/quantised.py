"""Maps as they are stored, and how they leave the device where they were computed: in one piece."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nucwsi.models.network import NetworkMaps


class QuantisedMaps(NamedTuple):
    """Maps of one window as they are stored; `segment` sees no other, so windows cannot differ.

    Attributes
    ----------
    np_map : (H, W) ndarray of uint8
        Probability times 255.
    hv_map : (2, H, W) ndarray of int8
        Position times 127.
    tp_map : (C, H, W) ndarray of uint8
        Probability times 255.
    contrast_map : (Q · C, H, W) ndarray of int8
        Contrasts between members and views of `np` times `tp`, by contrast, then class; times 127.
        Q is 0 for one member in one view; see `disagreement.contrast_weights`.
    """

    np_map: NDArray[np.uint8]
    hv_map: NDArray[np.int8]
    tp_map: NDArray[np.uint8]
    contrast_map: NDArray[np.int8]


#: What each of these maps is multiplied by before it is rounded, and its type.
_STORED = ((255, torch.uint8), (127, torch.int8), (255, torch.uint8), (127, torch.int8))


def pack_maps(maps: NetworkMaps, contrasts: torch.Tensor) -> torch.Tensor:
    """Round maps to multiples of 1 / 255 or 1 / 127, and put them together, on their device.

    Parameters
    ----------
    maps : NetworkMaps
        Of N windows of H x W pixels: probabilities and positions.
    contrasts : (N, Q, C, H, W) Tensor of float32
        As `Ensemble.mean_and_contrasts` returns them.

    Returns
    -------
    (N, L) Tensor of uint8
        A row for each window: its maps, and at its end whether all of them are numbers. On a GPU
        it need not be computed yet.
    """
    layers = (*maps, contrasts.flatten(1, 2).clamp(-1, 1))
    counts = [values.shape[1] for values in layers]
    n_windows, _, *shape = maps.np_map.shape
    length = sum(counts) * math.prod(shape) + 1
    packed = torch.empty((n_windows, length), dtype=torch.uint8, device=maps.np_map.device)
    places = packed[:, :-1].unflatten(1, (sum(counts), *shape)).split(counts, 1)
    for values, place, (scale, dtype) in zip(layers, places, _STORED, strict=True):
        place.view(dtype).copy_((values * scale).round_())
    # A sum is no number if one of its terms is none.
    packed[:, -1] = torch.stack([values.sum((1, 2, 3)).isfinite() for values in maps]).all(0)
    return packed


def unpack_maps(
    packed: NDArray[np.uint8], shape: tuple[int, int], n_contrasts: int
) -> QuantisedMaps | None:
    """Read the maps of one window.

    Parameters
    ----------
    packed : (L,) ndarray of uint8
        A row of what `pack_maps` returns.
    shape : (int, int)
        Height H and width W of the window in pixels.
    n_contrasts : int
        Number of contrasts Q.

    Returns
    -------
    QuantisedMaps or None
        Views of `packed`; None if a map holds what is not a number.
    """
    if not packed[-1]:
        return None
    planes = packed[:-1].reshape(-1, *shape)
    # 1 of `np`, 2 of `hv`, and for each class 1 of `tp` and Q of the contrasts.
    end = 3 + (len(planes) - 3) // (1 + n_contrasts)
    hv_map, contrast_map = (part.view(np.int8) for part in (planes[1:3], planes[end:]))
    return QuantisedMaps(planes[0], hv_map, planes[3:end], contrast_map)
