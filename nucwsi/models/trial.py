"""Networks from elsewhere, tried before they are believed: what they answer, and how far they see.

A network that sees farther than its card says would make results depend on the tiles, without a
word.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nucwsi.errors import CheckpointError
from nucwsi.models.card import Card
from nucwsi.models.exported import ExportedNetwork
from nucwsi.models.network import Network, NetworkMaps, activate
from nucwsi.models.reach import Answer, reach_px, shift_error, strip_shape

#: Cells beyond the receptive field that are shown, so that a network can be seen to see farther.
_CELLS_BEYOND = 4

#: How much two answers of one pixel may differ where a network is shown other windows of it.
_TOLERANCE = 1e-3


def try_network(network: Network, card: Card) -> None:
    """Refuse a network that does not answer, or sees farther, than it says.

    Parameters
    ----------
    network : Network
        On the CPU, with its weights.
    card : Card
        Of its checkpoint; it is named in messages.

    Raises
    ------
    CheckpointError
        If a map has another shape or is not finite, or the receptive radius is larger than stated.
    """
    who = f"{card.path}: the network {card.architecture!r} of the package {card.package!r}"
    side = -(-96 // network.stride) * network.stride
    with torch.inference_mode():
        try:
            maps = network(torch.rand(2, 3, side + network.stride, side), network.stride)
        # It runs the package's own code, which may fail in any way.
        except Exception as error:  # noqa: BLE001
            reason = (str(error).splitlines() or [""])[0]
            raise CheckpointError(
                f"{who} cannot be shown a window of {side} px ({type(error).__name__}:"
                f" {reason:.200}); get a newer version of the package"
            ) from None
        _check_maps(
            maps, len(card.classes), (2, side - network.stride, side - 2 * network.stride), who
        )
        if network.local:
            _check_reach(
                lambda image: activate(network(image)),
                strip_shape(network.stride, _shown_px(network)),
                network,
                who,
            )


def _check_maps(
    maps: Sequence[Tensor], n_classes: int, shape: tuple[int, int, int], who: str
) -> None:
    """Refuse maps of another shape, or that are not finite."""
    count, *sides = shape
    for name, channels, values in zip(("np", "hv", "tp"), (1, 2, n_classes), maps, strict=False):
        expected = (count, channels, *sides)
        if tuple(values.shape) != expected:
            raise CheckpointError(
                f"{who} answers `{name}` of the shape {tuple(values.shape)}, expected {expected};"
                " get a newer version of the package"
            )
        if not bool(values.isfinite().all()):
            raise CheckpointError(f"{who} answers `{name}` with what is not a number")
    if len(maps) != len(NetworkMaps._fields):
        raise CheckpointError(f"{who} answers {len(maps)} maps, expected np, hv and tp")


def try_exported(network: ExportedNetwork, card: Card) -> None:
    """Refuse an exported network that does not answer, or sees farther, than its card says.

    Parameters
    ----------
    network : ExportedNetwork
        On the CPU.
    card : Card
        Its card, named in messages.

    Raises
    ------
    CheckpointError
        If an output has another shape or impossible values, or the receptive radius is larger than
        stated.
    """
    if card.halo_px < network.receptive_radius_px or card.halo_px % network.stride:
        raise CheckpointError(
            f"{card.path}: halo {card.halo_px} px must be a multiple of {network.stride} px and"
            f" not below the receptive radius of {network.receptive_radius_px} px"
        )
    side = network.window_px or -(-96 // network.stride) * network.stride
    with torch.inference_mode():
        # Noise, glass and darkness: answers are checked on the way.
        network(torch.rand(1, 3, side, side))
        for grey in (1.0, 0.0):
            network(torch.full((1, 3, side, side), grey))
        if network.local:
            shape = strip_shape(network.stride, _shown_px(network))
            if network.window_px:
                shape = (network.window_px, network.window_px)
            _check_reach(network.probabilities, shape, network, str(card.path))


def _shown_px(network: Network | ExportedNetwork) -> int:
    return network.receptive_radius_px + _CELLS_BEYOND * network.stride


def _check_reach(
    answer: Answer, shape: tuple[int, int], network: Network | ExportedNetwork, who: str
) -> None:
    """Refuse a network that sees farther than it says, or windows of which do not fit together."""
    stride, stated = network.stride, network.receptive_radius_px
    seen = reach_px(answer, shape, sorted({0, stride - 1}))
    if seen > stated:
        raise sees_too_far(who, stated, seen, shape)
    error = shift_error(answer, shape, stride, stated)
    if error > _TOLERANCE:
        raise CheckpointError(
            f"{who}: says that its stride is {stride} px, but answers differ by up to {error:.2g}"
            f" where the window begins {stride} px later; correct its stride"
        )


def sees_too_far(who: str, stated_px: int, seen_px: int, shape: tuple[int, int]) -> CheckpointError:
    """Say that a network sees farther than it says.

    Parameters
    ----------
    who : str
        The network, as the beginning of a sentence.
    stated_px, seen_px : int
        Receptive radius that it states, and that was measured, in pixels.
    shape : (int, int)
        Height and width of the images in which it was measured.

    Returns
    -------
    CheckpointError
        To be raised.
    """
    # Farther than the border of the images nothing can be seen to change.
    at_least = "at least " if seen_px > 0.8 * (shape[1] / 2) else ""
    return CheckpointError(
        f"{who}: says that it sees {stated_px} px far, but pixels {at_least}{seen_px} px away"
        " change its answers; results would depend on the tiles: correct its receptive radius, or"
        " say that it is not local"
    )
