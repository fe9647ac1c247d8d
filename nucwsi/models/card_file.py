"""Cards as files of their own, beside networks whose files do not describe themselves."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from nucwsi.errors import CheckpointError
from nucwsi.models.interface import SUFFIXES

#: No honest card is larger.
_LARGEST_BYTES = 1 << 20


def card_path(path: Path) -> Path:
    """Return where the card of a file lies that does not describe itself.

    Parameters
    ----------
    path : pathlib.Path
        A ``.pt2``, ``.onnx``, ``.pth`` or ``.tar`` file.

    Returns
    -------
    pathlib.Path
        The file beside it whose name has a further ``.json``.
    """
    return path.with_name(f"{path.name}.json")


def is_exported(path: Path) -> bool:
    """Tell whether a file is an exported network, by its ending.

    Parameters
    ----------
    path : pathlib.Path
        It is not opened.

    Returns
    -------
    bool
        Whether it ends in one of `interface.SUFFIXES`.
    """
    return path.suffix.lower() in SUFFIXES


def read_card_file(path: Path) -> Any:
    """Read the card of a file.

    Parameters
    ----------
    path : pathlib.Path
        The file that the card describes.

    Returns
    -------
    object
        What the card holds, as plain JSON types, not yet checked.

    Raises
    ------
    CheckpointError
        If there is no card, or it is no JSON.
    """
    card = card_path(path)
    try:
        with card.open("rb") as stream:
            return json.loads(stream.read(_LARGEST_BYTES))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: has no card, expected {card.name} beside it; write it with `nucwsi adopt"
            f" {shlex.quote(str(path))}`"
        ) from None
    except (ValueError, RecursionError):
        raise CheckpointError(
            f"{card}: is no JSON; correct it, or delete it and write it with `nucwsi adopt`"
        ) from None


def card_text(description: dict[str, Any]) -> str:
    """Write a description as people read and change it.

    Parameters
    ----------
    description : dict
        As `checkpoint.read_description` returns it.

    Returns
    -------
    str
        JSON, indented.
    """
    return json.dumps(description, indent=2, ensure_ascii=False) + "\n"
