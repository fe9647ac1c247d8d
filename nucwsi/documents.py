"""What all documents of plain JSON types have in common: text, a format, and faults in one line."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

#: What a validator calls a container -> what JSON calls it.
_CONTAINERS = {
    "tuple_type": "expected a list",
    "dict_type": "expected an object",
    "dataclass_type": "expected an object",
    "model_type": "expected an object",
}


def check_text(document: Any) -> None:
    r"""Refuse strings that no file can hold.

    JSON may spell half of a pair of surrogates, such as ``"\ud800"``. Python reads it and keeps it,
    and fails when it is written.

    Parameters
    ----------
    document : object
        Plain JSON types of an untrusted file.

    Raises
    ------
    ValueError
        If a string in it is not Unicode.
    """
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        broken = ascii(error.object[error.start : error.end])
        raise ValueError(f"holds {broken}, which is half of a character") from None


def check_format(document: dict[str, Any], newest: int) -> None:
    """Refuse a document of a newer nucwsi, and one that no file could hold.

    Parameters
    ----------
    document : dict
        Plain JSON types of an untrusted file; its format is ``version``, `newest` without one.
    newest : int
        The newest format that this version of nucwsi reads.

    Raises
    ------
    ValueError
        If the format is newer, or as `check_text`.
    """
    version = document.get("version", newest)
    if isinstance(version, int) and version > newest:
        raise ValueError(
            f"format {version} is newer than the {newest} that this version of nucwsi reads;"
            " update nucwsi"
        )
    check_text(document)


def first_fault(error: ValidationError) -> str:
    """Say in one line which value of a document is wrong.

    Parameters
    ----------
    error : ValidationError
        Of the document, which holds plain JSON types.

    Returns
    -------
    str
        The first wrong field, what was expected of it, and what came instead.
    """
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    said = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
    said = _CONTAINERS.get(first["type"], said)
    # Where a field is missing, what came is all that is there.
    got = "" if first["type"] == "missing" else f", got {first['input']!r:.80}"
    return f"`{where}`: {said}{got}" if where else said
