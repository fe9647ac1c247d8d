"""Weights of one U-Net in another of the same family: a shorter way down, or a wider way up."""

from __future__ import annotations

import torch
from torch import Tensor

from nucwsi.models.network import Network
from nucwsi.models.unet import UNet


@torch.no_grad()
def reshape(start: Network, network: UNet) -> dict[str, Tensor]:
    """Fit the weights of `start` into a network of another shape.

    Where the way up has more channels, the new ones are random and nothing reads them yet: the maps
    are as before. Where the way down ends earlier, its further layers are left out, and the layer
    that takes in the coarsest features keeps its random weights.

    Parameters
    ----------
    start : Network
        Whose weights are fitted.
    network : UNet
        Of the wanted shape; its own weights stay where `start` has none. It is not changed.

    Returns
    -------
    dict of str to Tensor
        Weights for `network`; copies.

    Raises
    ------
    ValueError
        If `start` is another kind of network, lacks layers, or is wider somewhere.

    References
    ----------
    Chen et al., Net2Net, ICLR 2016, section 2: a wider network begins with the answers of a
    narrower one. There new channels are copies of old ones; here they are random and not read.
    """
    if not isinstance(start, UNet):
        raise ValueError(f"expected a UNet, got {type(start).__name__}")
    fitted = {name: value.clone() for name, value in network.state_dict().items()}
    lent = start.state_dict()
    left_out = lent.keys() - fitted.keys()
    if fitted.keys() - lent.keys() or any(not name.startswith("encoder.") for name in left_out):
        raise ValueError("the layers differ")
    # A block of the way up sees the features from below, and behind them those of the way down.
    below = {
        f"decoder.{level}.0.weight": (old.out_channels, new.out_channels)
        for level, (old, new) in enumerate(zip(start.narrow, network.narrow, strict=True))
    }
    for name, value in lent.items():
        # A way down that ends earlier has other features there, whatever their number.
        if name in left_out or (left_out and name.startswith("narrow.0.")):
            continue
        if any(a > b for a, b in zip(value.shape, fitted[name].shape, strict=True)):
            raise ValueError(f"{name} of `start` has more channels")
        if value.ndim < 2:
            fitted[name].view(-1)[: value.numel()] = value
            continue
        rows = fitted[name][: len(value)].zero_()
        old, new = below.get(name, (value.shape[1], value.shape[1]))
        rows[:, :old] = value[:, :old]
        rows[:, new : new + value.shape[1] - old] = value[:, old:]
    return fitted
