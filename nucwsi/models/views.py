"""The eight views of a tile (flips and quarter turns) and their exact undoing on all maps.

A view turns the picture, not the world: undoing it must move every pixel back *and* turn the
`hv` vectors back, because "right of the centroid" in a flipped picture is left of it in the slide.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nucwsi.errors import ConfigError
from nucwsi.models.network import NetworkMaps

#: (flip columns, quarter turns); flips come first. The order makes every prefix a sensible set:
#: one view, with its mirror, the four that keep rows rows, then those that swap the axes.
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

    Raises
    ------
    ConfigError
        If `count` is another number: only these sets are symmetric.
    """
    if count not in (1, 2, 4, 8):
        raise ConfigError(f"`views` must be 1, 2, 4 or 8, got {count}")
    return VIEWS[:count]


def apply_view(image: Tensor, view: tuple[bool, int]) -> Tensor:
    """Show `image` in one view.

    Parameters
    ----------
    image : (..., H, W) Tensor
    view : (bool, int)
        Flip the columns, then turn counter-clockwise by this many quarter turns.

    Returns
    -------
    Tensor
        (..., H, W), or (..., W, H) after an odd number of turns.
    """
    flip, turns = view
    if flip:
        image = image.flip(-1)
    return torch.rot90(image, turns, (-2, -1))


def undo_view(image: Tensor, view: tuple[bool, int]) -> Tensor:
    """Bring an image or a scalar map back: the inverse of `apply_view`.

    Parameters
    ----------
    image : (..., H, W) Tensor
    view : (bool, int)

    Returns
    -------
    Tensor
    """
    flip, turns = view
    image = torch.rot90(image, -turns, (-2, -1))
    return image.flip(-1) if flip else image


def turn_vectors(hv_map: Tensor, view: tuple[bool, int]) -> Tensor:
    """Turn the vectors of an `hv` map with the picture, leaving the pixels where they are.

    Parameters
    ----------
    hv_map : (..., 2, H, W) Tensor
        Horizontal (columns) and vertical (rows) component.
    view : (bool, int)

    Returns
    -------
    Tensor
        Same shape.
    """
    horizontal, vertical = hv_map.unbind(dim=-3)
    flip, turns = view
    if flip:
        horizontal = -horizontal
    for _ in range(turns % 4):
        # Counter-clockwise: what pointed right points up, what pointed down points right.
        horizontal, vertical = vertical, -horizontal
    return torch.stack([horizontal, vertical], dim=-3)


def unturn_vectors(hv_map: Tensor, view: tuple[bool, int]) -> Tensor:
    """Turn the vectors back: the inverse of `turn_vectors`.

    Parameters
    ----------
    hv_map : (..., 2, H, W) Tensor
    view : (bool, int)

    Returns
    -------
    Tensor
        Same shape.
    """
    flip, turns = view
    hv_map = turn_vectors(hv_map, (False, -turns % 4))
    return turn_vectors(hv_map, (True, 0)) if flip else hv_map


def undo_maps(maps: NetworkMaps, view: tuple[bool, int]) -> NetworkMaps:
    """Bring all maps of one view back to the frame of the slide.

    Parameters
    ----------
    maps : NetworkMaps
        Activated maps of `apply_view`'s picture.
    view : (bool, int)

    Returns
    -------
    NetworkMaps
    """
    return NetworkMaps(
        undo_view(maps.np_map, view),
        unturn_vectors(undo_view(maps.hv_map, view), view),
        undo_view(maps.tp_map, view),
    )
