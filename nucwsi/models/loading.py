"""From the card of a checkpoint to its network, with the weights in place."""

from __future__ import annotations

import torch

from nucwsi.errors import CheckpointError
from nucwsi.models.architectures import build_network
from nucwsi.models.card import Card
from nucwsi.models.checkpoint import read_weights
from nucwsi.models.network import Network, weight_faults


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
    weights = read_weights(card.path)
    # Without memory: a description may name widths that no memory can hold.
    with torch.device("meta"):
        expected = build_network(card.architecture, card.widths, len(card.classes))
    faults = weight_faults(weights, expected)
    if faults:
        raise CheckpointError(
            f"{card.path}: the weights cannot be used: as {card.architecture} of widths"
            f" {card.widths or 'fixed'}, it {faults[0]} ({len(faults)} differences)"
        )
    if card.halo_px < expected.receptive_radius_px or card.halo_px % expected.stride:
        raise CheckpointError(
            f"{card.path}: halo {card.halo_px} px must be a multiple of {expected.stride} px and"
            f" not below the receptive radius of {expected.receptive_radius_px} px"
        )
    weights = {name: value.float() for name, value in weights.items()}
    for name, value in weights.items():
        if not bool(value.isfinite().all()):
            raise CheckpointError(f"{card.path}: `{name}` holds weights that are not finite")
        if name.endswith("running_var") and bool((value < 0).any()):
            raise CheckpointError(f"{card.path}: `{name}` holds a negative variance")
    network = build_network(card.architecture, card.widths, len(card.classes))
    network.load_state_dict(weights)
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
