"""How glibc keeps freed memory and returns it to the kernel."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path


def keep_freed_memory() -> None:
    """Let the allocator reuse large blocks instead of returning each to the kernel.

    Every layer of a network allocates tens of megabytes anew. By default glibc maps and unmaps each
    block, and the kernel's clearing of fresh pages takes nearly half of the network's time on a
    processor. Does nothing with another C library.

    oneDNN keeps what it prepares for every size of a layer, by default for the last 1,024, amid the
    blocks of that time; they are of no use where the next window has another size.
    """
    # Of one network, in strips of two heights; read by oneDNN when it is first asked.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    mmap_max, trim_threshold = -4, -1
    _set({mmap_max: 0, trim_threshold: 2**31 - 1})


def return_freed_memory(above_mb: int = 0) -> None:
    """Return to the kernel the memory that `keep_freed_memory` has kept.

    Windows of many sizes leave gaps between blocks that no later block fits into, so the process
    grows with every new size. Does nothing with another C library.

    Parameters
    ----------
    above_mb : int
        Resident memory of the process, in MB, up to which nothing is returned: to get memory back
        from the kernel takes a quarter of the time of a window.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None and _resident_mb() >= above_mb:
        trim(0)


def _resident_mb() -> float:
    """Return the memory of this process that is in use, in MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def share_one_heap() -> None:
    """Let all threads take their memory from one heap.

    By default glibc gives each thread its own heap, and no thread reuses what another has freed.
    Blocks of a megabyte and more lie outside of the heap, and go back to the kernel when they are
    freed; by default glibc soon takes them from the heap, which has gaps then that no other fits.
    Does nothing with another C library.
    """
    arena_max, mmap_threshold = -8, -3
    _set({arena_max: 1, mmap_threshold: 1 << 20})


def _set(options: dict[int, int]) -> None:
    """Set parameters of glibc's `mallopt`: number in malloc.h -> value."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in options.items():
            mallopt(option, value)
