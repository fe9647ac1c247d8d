"""Whether what a command is to read is a file at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def check_file(path: Path) -> None:
    """Refuse what is no file: opening a pipe would wait for ever.

    Parameters
    ----------
    path : pathlib.Path
        What will be opened.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    IsADirectoryError
        If it is a folder.
    ValueError
        If it is a pipe or a device.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not path.is_file():
        path.stat()
        raise ValueError("is a pipe or a device, expected a file")
