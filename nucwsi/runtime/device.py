"""Which device a process computes on."""

from __future__ import annotations

import torch

from nucwsi.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """Turn the setting of that name into a device of this machine.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` is ``cuda`` where there is one.

    Returns
    -------
    torch.device
        Without a number unless `name` has one; see `lease.leased`.

    Raises
    ------
    ConfigError
        If there is no device of this name, or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: {name!r} is none of auto, cpu, cuda and cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name!r}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA"
            " devices; use `device: cpu` or install a CUDA build of torch"
        )
    return device
