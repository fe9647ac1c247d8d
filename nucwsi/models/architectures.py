"""The registry of networks: to add an architecture, write its module and one line here.

Its module has a function ``build(architecture, widths, n_classes)`` that returns a `Network`. It is
imported when a network is built, so that cards are read without torch. Other packages offer
networks as entry points of the group `GROUP`, each of them an `Architecture`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from nucwsi.errors import CheckpointError, ConfigError

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
    "hovernet_fast": Architecture("nucwsi.models.hovernet", local=True),
    "hovernet_original": Architecture("nucwsi.models.hovernet", local=True),
    "hovernet_fast_untyped": Architecture("nucwsi.models.hovernet", local=True),
    "hovernet_original_untyped": Architecture("nucwsi.models.hovernet", local=True),
}


#: Group of entry points under which packages offer networks.
GROUP = "nucwsi.networks"


def offered_by(architecture: str, package: str = "") -> tuple[str, EntryPoint] | None:
    """Find an installed package that offers a network.

    Parameters
    ----------
    architecture : str
        Name of the entry point.
    package : str
        Name of the package; any, if empty.

    Returns
    -------
    (str, EntryPoint) or None
        Name of the package and what it offers, not yet loaded; None if there is none.
    """
    wanted = _canonical(package)
    for entry in entry_points(group=GROUP, name=architecture):
        name = entry.dist.name if entry.dist is not None else ""
        if not package or _canonical(name) == wanted:
            return name, entry
    return None


def _canonical(package: str) -> str:
    """Spell the name of a package as installers compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def find_architecture(architecture: str, package: str = "") -> Architecture:
    """Return what is known of an architecture, without building a network.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`, or a network that a package offers.
    package : str
        Name of that package; empty for one of `ARCHITECTURES`.

    Returns
    -------
    Architecture
        The entry of the registry, or of the package.

    Raises
    ------
    CheckpointError
        If the package is not installed, does not offer the network, or cannot be loaded.
    """
    if not package:
        return ARCHITECTURES[architecture]
    found = offered_by(architecture, package)
    if found is None:
        raise CheckpointError(
            f"needs the network {architecture!r} of the package {package!r}, which is not installed"
            f" here or does not offer it; `pip install {package}`"
        )
    try:
        entry = found[1].load()
    except Exception as error:  # noqa: BLE001
        raise _unusable(package, error) from None
    if not isinstance(entry, Architecture):
        raise CheckpointError(
            f"the package {package!r} offers {entry!r:.80} as {architecture!r}; expected an"
            " `Architecture` of nucwsi.models.architectures; get a newer version of it"
        )
    return entry


def build_network(
    architecture: str, widths: tuple[int, ...], n_classes: int, package: str = ""
) -> Network:
    """Build a network with random weights.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`, or a network that a package offers.
    widths : tuple of int
        Channels of each level, the finest first; empty where the architecture fixes them.
    n_classes : int
        Classes that the network distinguishes, without background.
    package : str
        As for `find_architecture`.

    Returns
    -------
    Network
        In float32, on the default device.

    Raises
    ------
    CheckpointError
        If there is no such network of these widths and so many classes, or a package cannot be
        used.
    TypeError
        If the module and the registry disagree on whether the network is local.
    """
    entry = find_architecture(architecture, package)
    try:
        network: Network = import_module(entry.module).build(architecture, widths, n_classes)
        local = network.local
    except Exception as error:
        if not package or isinstance(error, CheckpointError):
            raise
        raise _unusable(package, error) from None
    if local is not entry.local:
        kind = CheckpointError if package else TypeError
        raise kind(
            f"{entry.module}: builds a network with local = {local}, but the registry says"
            f" {entry.local} of {architecture!r}; correct one of them"
        )
    return network


def _unusable(package: str, error: Exception) -> CheckpointError:
    """Say that a package's own code has failed, as it may in any way."""
    reason = (str(error).splitlines() or [""])[0]
    return CheckpointError(
        f"the package {package!r} cannot be used ({type(error).__name__}: {reason:.200}); install"
        " it anew"
    )


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
