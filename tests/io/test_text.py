"""Text that programs save: UTF-8 and UTF-16 by their marks, and nothing that would be a guess."""

import codecs

import pytest

from nucwsi.io.text import decoded

TEXT = "slide\tMüller µ 🔬\r\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    ],
)
def test_a_mark_is_understood_and_left_out(data):
    assert decoded(data) == TEXT


@pytest.mark.parametrize("data", ["Müller".encode("cp1252"), b"\xff\xfea", b"a\x80"])
def test_other_encodings_are_not_guessed(data):
    with pytest.raises(UnicodeDecodeError):
        decoded(data)
