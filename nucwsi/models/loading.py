"""From the card of a checkpoint to its network, with the weights in place."""

from __future__ import annotations

from nucwsi.errors import CheckpointError
from nucwsi.models.architectures import build_network
from nucwsi.models.card import Card
from nucwsi.models.checkpoint import read_weights
from nucwsi.models.network import Network


def load_trainable(card: Card) -> Network:
    """Load a network with the weights as they were trained.

    Parameters
    ----------
    card : Card
        Of the checkpoint that holds the weights.

    Returns
    -------
    Network
        In float32, on the CPU, its batch normalisations apart.

    Raises
    ------
    CheckpointError
        If the weights are damaged, or do not fit the architecture or the halo.
    """
    network = build_network(card.architecture, card.widths, len(card.classes))
    weights = {name: value.float() for name, value in read_weights(card.path).items()}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{card.path}: the weights cannot be used: {reason}") from None
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise CheckpointError(f"{card.path}: holds weights that are not finite; it is damaged")
    if card.halo_px < network.receptive_radius_px or card.halo_px % network.stride:
        raise CheckpointError(
            f"{card.path}: halo {card.halo_px} px must be a multiple of {network.stride} px and not"
            f" below the receptive radius of {network.receptive_radius_px} px"
        )
    return network


def load_network(card: Card) -> Network:
    """Load a network for inference: batch normalisation is folded into the convolutions.

    Parameters
    ----------
    card : Card
        As in `load_trainable`.

    Returns
    -------
    Network
        In float32, on the CPU.

    Raises
    ------
    CheckpointError
        As `load_trainable`.
    """
    return load_trainable(card).eval().folded()
