"""How glibc keeps freed memory and returns it to the kernel."""

from __future__ import annotations

import ctypes


def keep_freed_memory() -> None:
    """Let the allocator reuse large blocks instead of returning each to the kernel.

    Every layer of a network allocates tens of megabytes anew. By default glibc maps and unmaps each
    block, and the kernel's clearing of fresh pages takes nearly half of the network's time on a
    processor. Does nothing with another C library.
    """
    mmap_max, trim_threshold = -4, -1
    _set({mmap_max: 0, trim_threshold: 2**31 - 1})


def return_freed_memory() -> None:
    """Return to the kernel the memory that `keep_freed_memory` has kept.

    Windows of many sizes leave gaps between blocks that no later block fits into, so the process
    grows with every new size. Does nothing with another C library.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def share_one_heap() -> None:
    """Let all threads take their memory from one heap.

    By default glibc gives each thread its own heap, and no thread reuses what another has freed.
    Does nothing with another C library.
    """
    arena_max = -8
    _set({arena_max: 1})


def _set(options: dict[int, int]) -> None:
    """Set parameters of glibc's `mallopt`: number in malloc.h -> value."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in options.items():
            mallopt(option, value)
