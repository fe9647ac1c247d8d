"""The bytes of a region file: of a file alone, unpacked, and of bounded size."""

from __future__ import annotations

import gzip
import stat
import zlib
from pathlib import Path

from nucwsi.errors import RegionError

#: A larger document holds nuclei instead of regions, or was made to fill the memory.
_MAX_BYTES = 256 << 20


def read_content(path: Path) -> bytes:
    """Read a file of regions.

    Parameters
    ----------
    path : pathlib.Path
        Unpacked if it ends in ``.gz``.

    Returns
    -------
    bytes
        At most 256 MB.

    Raises
    ------
    RegionError
        If there is no such file, it is a folder, a pipe or a device, it is damaged or too large.
    """
    try:
        # A pipe that nobody writes to would be waited for, and a device never ends.
        if not stat.S_ISREG(path.stat().st_mode):
            raise RegionError(f"{path}: is no file but a folder, a pipe or a device")
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise RegionError(f"{path}: does not exist; check `regions` in the slide sheet") from None
    except (OSError, ValueError, EOFError, zlib.error) as error:
        if isinstance(error, RegionError):
            raise
        raise RegionError(f"{path}: cannot be read ({error}); export it again") from None
    if len(data) > _MAX_BYTES:
        raise RegionError(
            f"{path}: holds more than {_MAX_BYTES >> 20} MB; regions are areas that somebody drew,"
            " not nuclei"
        )
    return data
