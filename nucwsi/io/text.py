"""Text that people save with programs of all kinds, and the UTF-8 that it should be."""

from __future__ import annotations

import codecs

#: Marks at the beginning of UTF-16: Excel's "Unicode text", and redirected output on Windows.
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(data: bytes) -> str:
    """Decode the content of a text file.

    Parameters
    ----------
    data : bytes
        UTF-8 with or without its mark, or UTF-16 with its mark.

    Returns
    -------
    str
        Without the mark; ends of lines are as they were.

    Raises
    ------
    UnicodeDecodeError
        If it is in another encoding. None is guessed: in cp1252, any bytes are letters.
    """
    return data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
