"""Mount a folder as a slow file server without locks, such as clusters have.

``python3 lockless.py SOURCE MOUNTPOINT SECONDS`` runs until it is unmounted. Each call takes
SECONDS, and ``flock`` fails with ENOLCK. It needs FUSE 2 and its binding (on Debian: ``fuse``,
``python3-fusepy``).
"""

import ctypes
import errno
import os
import sys
import time
from pathlib import Path

try:
    import fusepy as fuse
except ImportError:
    import fuse


#: The kernel believes for so long, in seconds, what it knows of a name; that of NFS up to a minute.
STALE_S = 3


class _Table(ctypes.Structure):
    """The functions of a file system; the binding ends before ``flock``, where libfuse goes on."""

    _fields_ = [
        *fuse.fuse_operations._fields_,
        *((name, ctypes.c_void_p) for name in ("poll", "write_buf", "read_buf")),
        (
            "flock",
            ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int),
        ),
    ]


class _Mount(fuse.FUSE):
    def flock(self, *_):
        return -errno.ENOLCK

    def create(self, path, mode, info):
        # With the flags, which the binding drops: with O_EXCL, one machine alone makes a file.
        flags = info.contents.flags
        info.contents.fh = self.operations("create", os.fsdecode(path), mode, flags)
        return 0


class Slow(fuse.Operations):
    """The files of another folder, each call after a pause."""

    use_ns = True
    flock = True

    def __init__(self, source, seconds):
        self.source, self.seconds = source, seconds

    def __call__(self, operation, *words):
        time.sleep(self.seconds)
        return super().__call__(operation, *words)

    def _at(self, path):
        return Path(self.source + path)

    def getattr(self, path, fh=None):
        status = os.lstat(self._at(path)) if fh is None else os.fstat(fh)
        whole = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_ino", "st_blocks")
        answer = {name: getattr(status, name) for name in whole}
        return answer | {f"st_{x}time": getattr(status, f"st_{x}time_ns") for x in "amc"}

    def readdir(self, path, _):
        return [".", "..", *(item.name for item in self._at(path).iterdir())]

    def readlink(self, path):
        return str(self._at(path).readlink())

    def mkdir(self, path, mode):
        self._at(path).mkdir(mode)

    def rmdir(self, path):
        self._at(path).rmdir()

    def unlink(self, path):
        self._at(path).unlink()

    def symlink(self, path, target):
        self._at(path).symlink_to(target)

    def rename(self, path, target):
        self._at(path).rename(self._at(target))

    def link(self, path, target):
        os.link(self._at(target), self._at(path))

    def chmod(self, path, mode):
        self._at(path).chmod(mode)

    def chown(self, path, user, group):
        os.chown(self._at(path), user, group)

    def utimens(self, path, times=None):
        os.utime(self._at(path), ns=times)

    def statfs(self, path):
        place = os.statvfs(self._at(path))
        return {name: getattr(place, name) for name in dir(place) if name.startswith("f_b")}

    def create(self, path, mode, flags):
        return self.open(path, flags | os.O_CREAT, mode)

    def open(self, path, flags, mode=0):
        # Where to append, the kernel says.
        return os.open(self._at(path), flags & ~os.O_APPEND, mode)

    def read(self, _, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, _, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(self._at(path) if fh is None else fh, length)

    def fsync(self, _, datasync, fh):
        os.fsync(fh)

    def release(self, _, fh):
        os.close(fh)


if __name__ == "__main__":
    fuse.fuse_operations = _Table
    _Mount(
        Slow(sys.argv[1], float(sys.argv[3])),
        sys.argv[2],
        foreground=True,
        use_ino=True,
        nonempty=True,
        # Files that another machine makes or removes are seen late.
        entry_timeout=STALE_S,
        attr_timeout=STALE_S,
        negative_timeout=STALE_S,
    )
