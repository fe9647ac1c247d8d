"""The number format in which networks compute on a device."""

from __future__ import annotations

import torch


def choose_precision(device: torch.device, training: bool = False) -> torch.dtype:
    """Return the fastest precision that keeps the maps.

    Parameters
    ----------
    device : torch.device
        Where the network runs.
    training : bool
        Whether gradients are computed; float16 cannot hold small ones.

    Returns
    -------
    torch.dtype
        On CUDA float16, or bfloat16 for training; on processors that multiply bfloat16 faster than
        float32, bfloat16; else float32.
    """
    if device.type == "cuda":
        return torch.bfloat16 if training else torch.float16
    if device.type != "cpu":
        return torch.float32
    able = torch.cpu.get_capabilities()
    # Measured without AMX: bfloat16 has 0.6 of float32's speed on Intel's AVX-512, on AMD's 1.1
    # to 1.6.
    fast = able.get("amx_bf16") or (able.get("avx512_bf16") and "AMD" in able.get("cpu_name", ""))
    return torch.bfloat16 if fast else torch.float32
