"""What a network of some classes says of others: teachers and starts may know coarser ones."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from nucwsi.errors import ConfigError, DataError
from nucwsi.labels.taxonomy import class_sets
from nucwsi.models.layers import Convolution
from nucwsi.models.network import Network
from nucwsi.models.unet import UNet


def meant(theirs: tuple[str, ...], ours: tuple[str, ...], setting: str) -> Tensor:
    """Tell which of our classes each class of another network may mean.

    Parameters
    ----------
    theirs : tuple of str
        The K classes of the other network, in its order.
    ours : tuple of str
        The C classes to be learnt, in order.
    setting : str
        Setting that names the other network, for errors.

    Returns
    -------
    (K, C) Tensor of bool
        As labels of these names would be read (`labels.taxonomy`); a row is empty where a class
        says nothing.

    Raises
    ------
    ConfigError
        If the lists differ and a name is not known, or one of our classes is meant by none.
    """
    if theirs == ours:
        return torch.eye(len(ours), dtype=torch.bool)
    known = f"a network of `{setting}` knows the classes {', '.join(theirs)}"
    try:
        sets = class_sets(dict(enumerate(theirs)), ours)
    except DataError as error:
        raise ConfigError(
            f"{known}; expected those of `classes`, {', '.join(ours)}, or names of labels that may"
            f" mean them: {error}"
        ) from None
    told = torch.tensor([[name in sets[k] for name in ours] for k in range(len(theirs))])
    if not told.any(0).all():
        missing = ", ".join(name for name, any_ in zip(ours, told.any(0), strict=True) if not any_)
        raise ConfigError(
            f"{known}, none of which can mean {missing}; expected a network that knows all of"
            f" `classes`: {', '.join(ours)}"
        )
    return told


def with_classes(start: Network, told: Tensor) -> Network:
    """Split or join the classes of a network.

    A class that is split is divided evenly: the probability of all its parts is as before. A class
    that is joined has the mean of the logits of its parts, and room for all of them.

    Parameters
    ----------
    start : Network
        Of K classes.
    told : (K, C) Tensor of bool
        `meant` of its classes.

    Returns
    -------
    Network
        A copy of C classes with the other maps unchanged; `start` itself where it is no `UNet`.
    """
    if not isinstance(start, UNet):
        return start
    shares = told / told.sum(0)
    parts, joined = told.sum(1).clamp(min=1), told.sum(0)
    room = joined.log() - shares.T @ parts.log()
    changed = copy.deepcopy(start)
    changed.heads = Convolution(start.heads.in_channels, 3 + told.shape[1], 1)
    with torch.no_grad():
        for new, old, more in (
            (changed.heads.weight, start.heads.weight, torch.zeros(())),
            (changed.heads.bias, start.heads.bias, room),
        ):
            if new is not None and old is not None:
                rows = old.flatten(1) if old.ndim > 1 else old
                split = shares.T @ rows[3:] + more
                new.copy_(torch.cat([rows[:3], split]).reshape(new.shape))
    return changed
