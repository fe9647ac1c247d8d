"""Which device a process computes on."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from nucwsi.errors import ConfigError

#: Accelerators by their names in torch -> what people call them.
_BACKENDS = {"cuda": "CUDA", "mps": "Apple's Metal", "xpu": "Intel's XPU"}


def choose_device(name: str) -> torch.device:
    """Turn the setting of that name into a device of this machine.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N``, ``mps``, ``xpu`` or ``xpu:N``; ``auto`` is ``cuda``
        where there is one, and else ``cpu``.

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
        device = None
    if device is None or device.type not in ("cpu", *_BACKENDS):
        raise ConfigError(
            f"device: {name!r} is none of auto, cpu, cuda, cuda:N, mps, xpu and xpu:N"
        )
    count = _count(device.type)
    if (device.index or 0) >= count:
        backend = _BACKENDS.get(device.type, "processor")
        raise ConfigError(
            f"device {name!r}: torch {torch.__version__} sees {count} devices of {backend}; use"
            f" `device: cpu` or install a build of torch for {backend}"
        )
    return device


def placed(values: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Bring an array to a device, without waiting for what a GPU still computes.

    Parameters
    ----------
    values : ndarray
        Of any shape.
    device : torch.device
        Where it is to be.

    Returns
    -------
    torch.Tensor
        Of the same shape and type; on a processor the same memory.
    """
    tensor = torch.from_numpy(values)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def _count(backend: str) -> int:
    """Count the devices of a kind that torch sees."""
    if backend == "cuda":
        return torch.cuda.device_count()
    if backend == "xpu":
        return torch.xpu.device_count()
    return int(backend == "cpu" or torch.backends.mps.is_available())
