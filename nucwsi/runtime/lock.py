"""One process at a time: a lock beside a file, also where the file system has no locks."""

from __future__ import annotations

import errno
import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

#: What file systems of clusters answer that have no locks.
LOCKLESS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}

#: Where there are no locks, the holder touches its file so often, in seconds; one that has not been
#: touched for so long is that of a dead process.
_BEAT_S, _SILENT_S = 5.0, 30.0

#: Time between two looks at a lock that another process holds, in seconds.
_LOOK_S = 0.2


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock for the length of the block; it ends with the process, however that ends.

    Parameters
    ----------
    path : pathlib.Path
        File of the lock, which exists only while it is held; missing parents are made.
    waiting : callable, optional
        Called once if another process holds the lock, which is then waited for; by default nothing
        is waited for.

    Raises
    ------
    BlockingIOError
        If another process holds the lock, and it is not to be waited for.
    OSError
        If the file cannot be made.
    """
    called = False

    def _look_again() -> None:
        nonlocal called
        if waiting is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path))
        if not called:
            waiting()
        called = True
        time.sleep(_LOOK_S)

    with ExitStack() as stack:
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError), ExitStack() as trial:
                handle = _opened(path)
                trial.callback(os.close, handle)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    _look_again()
                    continue
                except OSError as error:
                    if error.errno not in LOCKLESS:
                        raise
                    trial.enter_context(_created(path.with_name(f"{path.name}.held"), _look_again))
                # The last holder removes the file, perhaps after we have opened it.
                if os.path.samestat(os.fstat(handle), path.stat()):
                    stack.enter_context(trial.pop_all())
                    # While it is still locked: afterwards it may be another's.
                    stack.callback(_remove, path, handle)
                    break
        yield


def _remove(path: Path, handle: int) -> None:
    """Remove the file of a lock, unless it was moved away and another process has its place."""
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(handle), path.stat()):
            path.unlink()


def _opened(path: Path) -> int:
    """Open the file of a lock, which another user may have left."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        if not path.exists():
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def _created(path: Path, look_again: Callable[[], None]) -> Iterator[None]:
    """Hold a lock by the existence of a file, and show by touching it that its holder lives."""
    seen, since = None, time.monotonic()
    while True:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            break
        except FileExistsError:
            found = _touched(path)
        if found != seen:
            if seen is not None and found is not None:
                look_again()
            seen, since = found, time.monotonic()
        elif found is not None and time.monotonic() - since > _SILENT_S:
            _take_away(path, found)
        time.sleep(_LOOK_S)
    ended = Event()
    beat = Thread(target=_beat, args=(path, ended), daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        path.unlink(missing_ok=True)


def _touched(path: Path) -> int | None:
    """Return when a file was touched, in ns; None if it is no longer there."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _take_away(path: Path, touched: int) -> None:
    """Remove the file of a dead holder, unless another process has just replaced it."""
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if aside.stat().st_mtime_ns != touched:
            with suppress(OSError):
                os.link(aside, path)
        aside.unlink()


def _beat(path: Path, ended: Event) -> None:
    while not ended.wait(_BEAT_S):
        # It lies in a folder that its holder may have renamed.
        with suppress(OSError):
            os.utime(path)
