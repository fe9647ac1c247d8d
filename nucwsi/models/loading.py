"""From the card of a checkpoint to its network, with the weights in place."""

from __future__ import annotations

import torch

from nucwsi.errors import CheckpointError
from nucwsi.models.architectures import build_network
from nucwsi.models.card import Card
from nucwsi.models.checkpoint import read_weights
from nucwsi.models.exported import ExportedNetwork
from nucwsi.models.network import Network, weight_faults
from nucwsi.models.trial import try_exported, try_network


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
    if card.exported is not None:
        raise CheckpointError(
            f"{card.path}: is an exported network, whose weights cannot be trained; start from a"
            " checkpoint of `nucwsi train`"
        )
    weights = read_weights(card.path)
    # Without memory: a description may name widths that no memory can hold.
    with torch.device("meta"):
        expected = _built(card)
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
    network = _built(card)
    network.load_state_dict(weights)
    return network


def _built(card: Card) -> Network:
    try:
        return build_network(card.architecture, card.widths, len(card.classes), card.package)
    except CheckpointError as error:
        raise CheckpointError(f"{card.path}: {error}") from None


def load_network(card: Card) -> Network:
    """Load a network for inference: batch normalisation is folded into the convolutions.

    A network that is not nucwsi's own is tried first: it must answer, and see, as its card says.

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
    if card.exported is not None:
        exported = ExportedNetwork(card.path, card.exported, len(card.classes))
        try_exported(exported, card)
        return exported
    network = load_trainable(card).eval().folded()
    if card.package:
        try_network(network, card)
    return network
