"""The errors that a user can cause and mend; each is also the built-in error that fits it."""

from __future__ import annotations

import errno
import lzma
import struct
import zipfile
import zlib

#: Words with which libraries say that memory has run out, whatever the type of their error.
_NO_MEMORY = (
    *("out of memory", "not enough memory", "insufficient memory", "cannot allocate memory"),
    *("unable to allocate", "failed to allocate", "bad_alloc", "can't start new thread"),
    *("failed to map segment", "allocation failed", "failed to launch worker thread"),
    # Libraries of CUDA.
    *("status_alloc_failed", "allocation_failed"),
    # oneDNN, which does not say more.
    "could not create a primitive",
)

#: What reading a zip or a gzip raises, whichever of its bits is wrong: `RuntimeError` where one
#: asks for a password, `OverflowError` where one names a place that no file has.
DAMAGED_ARCHIVE = (
    *(OSError, EOFError, ValueError, RuntimeError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)

#: Said on Windows, whose Python lacks the locks and limits of POSIX.
NOT_ON_WINDOWS = (
    "nucwsi runs on Linux and macOS; on Windows run it in WSL (`wsl --install`, then install nucwsi"
    " in its Linux)"
)


class NucwsiError(Exception):
    """Base of all these errors; the command line shows one line and no traceback."""


class ConfigError(NucwsiError, ValueError):
    """A setting, an argument or the slide sheet is wrong; the exit code is 2, else 1."""


class SlideError(NucwsiError, OSError):
    """A slide cannot be read, or what it says of itself cannot be trusted."""


class DataError(NucwsiError, ValueError):
    """A labelled data set has an unexpected layout, is damaged or contradicts itself."""


class CheckpointError(NucwsiError, ValueError):
    """A checkpoint is damaged, of an unknown format, or does not fit the other members."""


class RegionError(NucwsiError, ValueError):
    """A region file cannot be used."""


class AnswerError(NucwsiError, ValueError):
    """A pathologist's answers cannot be read, or belong to other results."""


class StoreError(NucwsiError, OSError):
    """A file that a step makes is missing, damaged, of another run, or cannot be written."""


def lacks_memory(error: BaseException | None) -> bool:
    """Tell whether an error, or one that led to it, says that memory has run out.

    Parameters
    ----------
    error : BaseException, optional
        What was caught. A library's complaint of damage may have begun as a lack of memory.

    Returns
    -------
    bool
        Whether the same input could be read with more memory.

    Examples
    --------
    >>> lacks_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"))
    True
    >>> lacks_memory(RuntimeError("corrupt data"))
    False
    """
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        # What nucwsi says may quote the name of a file.
        said = "" if isinstance(error, NucwsiError) else str(error).casefold()
        if any(words in said for words in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def pass_on_lack_of_memory(error: BaseException) -> None:
    """Raise a lack of memory again, where any other error means that a file is damaged.

    Parameters
    ----------
    error : BaseException
        What was caught.

    Raises
    ------
    MemoryError
        If `lacks_memory`.
    """
    if lacks_memory(error):
        raise MemoryError(str(error)) from error
