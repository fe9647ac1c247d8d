"""The eight views of a window (flips and quarter turns), and how maps are brought back from them.

To undo a view, every pixel is moved back *and* the `hv` vectors are turned back, because "right of
the centroid" in a flipped image is left of it on the slide.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nucwsi.errors import ConfigError
from nucwsi.models.network import NetworkMaps

#: (flip the columns, then quarter turns counter-clockwise). The first 1, 2, 4 and 8 are symmetric
#: sets: the image, with its mirror image, all views that keep rows rows, then those that swap axes.
VIEWS: tuple[tuple[bool, int], ...] = (
    (False, 0),
    (True, 0),
    (True, 2),
    (False, 2),
    (False, 1),
    (False, 3),
    (True, 1),
    (True, 3),
)


def choose_views(count: int) -> tuple[tuple[bool, int], ...]:
    """Return the first `count` views.

    Parameters
    ----------
    count : int
        1, 2, 4 or 8.

    Returns
    -------
    tuple of (bool, int)
        Whether columns are flipped, and the number of quarter turns, of each view.

    Raises
    ------
    ConfigError
        If `count` is another number: only these sets are symmetric.
    """
    if count not in (1, 2, 4, 8):
        raise ConfigError(f"`views` must be 1, 2, 4 or 8, got {count}")
    return VIEWS[:count]


def apply_view(image: Tensor, view: tuple[bool, int]) -> Tensor:
    """Flip and turn an image or a scalar map.

    Parameters
    ----------
    image : (..., H, W) Tensor
        Rows and columns are the last two axes.
    view : (bool, int)
        Whether to flip the columns, and how many quarter turns to turn counter-clockwise then.

    Returns
    -------
    (..., H, W) Tensor
        Or (..., W, H) after an odd number of turns.
    """
    flip, turns = view
    if flip:
        image = image.flip(-1)
    return _turned(image, turns)


def _turned(image: Tensor, turns: int) -> Tensor:
    # For no turn torch makes a copy, as planes.
    return torch.rot90(image, turns, (-2, -1)) if turns else image


def undo_view(image: Tensor, view: tuple[bool, int]) -> Tensor:
    """Bring an image or a scalar map back: the inverse of `apply_view`.

    Parameters
    ----------
    image : (..., H, W) Tensor
        What `apply_view` returned, or a map that a network computed from it.
    view : (bool, int)
        As for `apply_view`.

    Returns
    -------
    (..., H, W) Tensor
        Or (..., W, H) after an odd number of turns.
    """
    flip, turns = view
    image = _turned(image, -turns)
    return image.flip(-1) if flip else image


def turn_vectors(hv_map: Tensor, view: tuple[bool, int]) -> Tensor:
    """Turn the vectors of an `hv` map as a view turns the image, leaving the pixels in place.

    Parameters
    ----------
    hv_map : (..., 2, H, W) Tensor
        Component along the columns, then along the rows.
    view : (bool, int)
        As for `apply_view`.

    Returns
    -------
    (..., 2, H, W) Tensor
        Components along the columns and rows of the turned image.
    """
    horizontal, vertical = hv_map.unbind(dim=-3)
    flip, turns = view
    if flip:
        horizontal = -horizontal
    for _ in range(turns % 4):
        # Counter-clockwise: right becomes up, and down becomes right.
        horizontal, vertical = vertical, -horizontal
    return torch.stack([horizontal, vertical], dim=-3)


def unturn_vectors(hv_map: Tensor, view: tuple[bool, int]) -> Tensor:
    """Turn the vectors back: the inverse of `turn_vectors`.

    Parameters
    ----------
    hv_map : (..., 2, H, W) Tensor
        As `turn_vectors` returns it.
    view : (bool, int)
        As for `apply_view`.

    Returns
    -------
    (..., 2, H, W) Tensor
        Components along the columns and rows of the image before the view.
    """
    flip, turns = view
    if turns:
        hv_map = turn_vectors(hv_map, (False, -turns % 4))
    return turn_vectors(hv_map, (True, 0)) if flip else hv_map


def undo_maps(maps: NetworkMaps, view: tuple[bool, int]) -> NetworkMaps:
    """Bring all maps of one view back to the frame of the canvas.

    Parameters
    ----------
    maps : NetworkMaps
        Of shapes (N, ..., H, W), activated, of the image that `apply_view` returned.
    view : (bool, int)
        As for `apply_view`.

    Returns
    -------
    NetworkMaps
        The same maps as of the image before the view.
    """
    return NetworkMaps(
        undo_view(maps.np_map, view),
        unturn_vectors(undo_view(maps.hv_map, view), view),
        undo_view(maps.tp_map, view),
    )
