"""The settings of glibc's allocator, and that another C library is left alone."""

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from nucwsi.runtime import allocator

#: What `mallinfo2` returns: bytes on the heap first, bytes in blocks mapped one by one fifth.
PROGRAM = """
import ctypes
from nucwsi.runtime.allocator import keep_freed_memory, return_freed_memory

class Info(ctypes.Structure):
    _fields_ = [(f"f{n}", ctypes.c_size_t) for n in range(10)]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype, libc.malloc.restype = Info, ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def allocated():
    block = libc.malloc(ctypes.c_size_t(64 << 20))
    mapped = libc.mallinfo2().f4
    libc.free(block)
    return mapped >> 26, libc.mallinfo2().f0 >> 26

print(*allocated())
keep_freed_memory()
print(*allocated())
return_freed_memory()
print(libc.mallinfo2().f0 >> 26)
"""


def test_freed_memory_is_kept_until_it_is_returned():
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("the C library is not glibc 2.33 or later")
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    # By default the block is mapped and unmapped; then it stays on the heap; then it is given back.
    assert ran.stdout.split() == ["1", "0", "0", "1", "0"]


def test_one_heap_is_asked_of_glibc_by_its_number(monkeypatch):
    asked = []
    library = SimpleNamespace(mallopt=lambda option, value: asked.append((option, value)))
    monkeypatch.setattr(allocator, "ctypes", SimpleNamespace(CDLL=lambda _name: library))
    allocator.share_one_heap()
    # M_ARENA_MAX and M_MMAP_THRESHOLD of malloc.h
    assert asked == [(-8, 1), (-3, 1 << 20)]


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator, "ctypes", SimpleNamespace(CDLL=lambda _name: object()))
    allocator.keep_freed_memory()
    allocator.return_freed_memory()
    allocator.share_one_heap()
