"""One job, one GPU: a lease that the kernel takes back when the job dies."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


@contextmanager
def leased(device: torch.device) -> Iterator[torch.device]:
    """Hold a free CUDA device for the length of the block; wait while all are taken.

    The lease is a lock on a file in the user's folder of the temporary directory. Nothing is leased
    where the scheduler has assigned the device (SLURM), or the user has named it by number.

    Parameters
    ----------
    device : torch.device
        ``cpu``, ``cuda`` or ``cuda:N``; see `device.choose_device`.

    Yields
    ------
    torch.device
        `device`; or, for ``cuda`` without a number and outside SLURM, the device that is held.
    """
    if device.type != "cuda" or device.index is not None or "SLURM_JOB_ID" in os.environ:
        yield device
        return
    folder = Path(tempfile.gettempdir()) / f"nucwsi-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while True:
        for index in range(torch.cuda.device_count()):
            # The device's own name: numbers change meaning with CUDA_VISIBLE_DEVICES.
            lock = (folder / str(torch.cuda.get_device_properties(index).uuid)).open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            with lock:
                yield torch.device("cuda", index)
            return
        time.sleep(1)
