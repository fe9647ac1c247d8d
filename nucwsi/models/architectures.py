"""The registry of networks: to add an architecture, write its module and one line here.

Its module has a function ``build(architecture, widths, n_classes)`` that returns a `Network`. It is
imported when a network is built, so that cards are read without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from nucwsi.errors import ConfigError

if TYPE_CHECKING:
    from nucwsi.models.network import Network
    from nucwsi.models.unet import UNet


@dataclass(frozen=True)
class Architecture:
    """What is known of an architecture before its module is imported.

    Attributes
    ----------
    module : str
        Dotted name of the module whose ``build`` makes the network.
    local : bool
        As `Network.local` of what is built: with local members alone, tiling is exact.
    trainable : bool
        Whether `nucwsi train` can make it: a `UNet`, whose checkpoints name the `widths`.
    """

    module: str
    local: bool
    trainable: bool = False


#: Name in checkpoints and settings -> how the network is made.
ARCHITECTURES: dict[str, Architecture] = {
    "unet": Architecture("nucwsi.models.unet", local=True, trainable=True),
    "lite2": Architecture("nucwsi.models.lite", local=True, trainable=True),
    "lite2short": Architecture("nucwsi.models.lite", local=True, trainable=True),
    "seresnext50": Architecture("nucwsi.models.seresnext", local=False),
    "seresnext101": Architecture("nucwsi.models.seresnext", local=False),
}


def build_network(architecture: str, widths: tuple[int, ...], n_classes: int) -> Network:
    """Build a network with random weights.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    widths : tuple of int
        Channels of each level, the finest first; empty where the architecture fixes them.
    n_classes : int
        Classes that the network distinguishes, without background.

    Returns
    -------
    Network
        In float32, on the default device.

    Raises
    ------
    CheckpointError
        If there is no such network of these widths and so many classes.
    TypeError
        If the module and the registry disagree on whether the network is local.
    """
    entry = ARCHITECTURES[architecture]
    network: Network = import_module(entry.module).build(architecture, widths, n_classes)
    if network.local is not entry.local:
        raise TypeError(
            f"{entry.module}: builds a network with local = {network.local}, but the registry says"
            f" {entry.local} of {architecture!r}; correct one of them"
        )
    return network


def check_trainable(architecture: str) -> None:
    """Refuse an architecture that `nucwsi train` cannot make.

    Parameters
    ----------
    architecture : str
        The setting of that name.

    Raises
    ------
    ConfigError
        If it is unknown, or its networks can be loaded only.
    """
    names = [name for name, entry in ARCHITECTURES.items() if entry.trainable]
    if architecture not in names:
        raise ConfigError(f"`architecture` is {architecture!r}; expected one of {', '.join(names)}")


def build_trainable(architecture: str, widths: tuple[int, ...], n_classes: int) -> UNet:
    """Build a network to be trained.

    Parameters
    ----------
    architecture : str
        The setting of that name.
    widths, n_classes
        As for `build_network`.

    Returns
    -------
    UNet
        With random weights, on the default device.

    Raises
    ------
    ConfigError
        If `nucwsi train` cannot make this architecture.
    CheckpointError
        As `build_network`.
    """
    check_trainable(architecture)
    network = build_network(architecture, widths, n_classes)
    from nucwsi.models.unet import UNet

    if not isinstance(network, UNet):
        raise TypeError(f"{architecture!r} is registered as trainable but is no UNet: {network!r}")
    return network
