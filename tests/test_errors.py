"""Errors form one tree, and each is also the built-in error that a Python user expects."""

import inspect
import io
import zipfile

import pytest

from nucwsi import errors
from nucwsi.errors import DAMAGED_ARCHIVE

LEAVES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__ and kind is not errors.NucwsiError
]


def test_one_base_catches_what_a_user_can_mend():
    assert {kind.__bases__[0] for kind in LEAVES} == {errors.NucwsiError}


@pytest.mark.parametrize("kind", LEAVES)
def test_a_python_user_may_catch_the_built_in_error(kind):
    assert issubclass(kind, ValueError) != issubclass(kind, OSError)
    with pytest.raises((ValueError, OSError), match=r"^a\.svs: is empty$"):
        raise kind("a.svs: is empty")


def test_files_that_fail_are_os_errors():
    """Except for those whose content is wrong, which are value errors."""
    assert {kind.__name__ for kind in LEAVES if issubclass(kind, OSError)} == {
        "SlideError",
        "StoreError",
    }


def led_to(first, second):
    """Return the second error as `raise second from None` makes it while the first is handled."""
    second.__context__, second.__suppress_context__ = first, True
    return second


def test_a_lack_of_memory_is_known_by_what_led_to_an_error():
    short = RuntimeError("Allocation error : not enough memory")
    assert errors.lacks_memory(led_to(short, errors.StoreError("x: is damaged")))
    assert errors.lacks_memory(led_to(MemoryError(), errors.StoreError("x: is damaged")))
    assert not errors.lacks_memory(led_to(ValueError("bad"), errors.StoreError("x: is damaged")))


def test_a_lack_of_memory_is_known_in_the_words_of_cuda():
    for words in ("CUDA out of memory. Tried to get 2 GiB", "cuDNN: CUDNN_STATUS_ALLOC_FAILED"):
        assert errors.lacks_memory(RuntimeError(words))
    assert not errors.lacks_memory(RuntimeError("CUDA error: an illegal memory access"))


def test_the_name_of_a_file_is_no_lack_of_memory():
    assert not errors.lacks_memory(errors.SlideError("out of memory.svs: is empty"))


def test_a_lack_of_memory_is_passed_on_where_damage_is_expected():
    with pytest.raises(MemoryError, match="you tried to allocate"):
        errors.pass_on_lack_of_memory(RuntimeError("not enough memory: you tried to allocate"))
    errors.pass_on_lack_of_memory(RuntimeError("corrupt"))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_zip_raises_nothing_else_whichever_of_its_bytes_is_wrong(method):
    """Damage at random (seed 4, case 2302): where bytes were missing it was `OSError`."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name in ("one", "two"):
            archive.writestr(name, b"abc" * 20)
    whole = held.getvalue()
    cut = [whole[:at] + whole[at + n :] for n in (1, 40) for at in range(len(whole))]
    changed = [
        whole[:at] + bytes([value]) + whole[at + 1 :]
        for at in range(len(whole))
        for value in (0, 14, 255, whole[at] ^ 1)
    ]
    # Further fields of 64 bits: an offset that no file has.
    start = whole.index(b"PK\1\2")
    far = bytearray(whole)
    far[start + 42 : start + 46] = b"\xff" * 4
    far[start + 30 : start + 32] = b"\x0c\0"
    far[start + 49 : start + 49] = b"\1\0\x08\0" + b"\xff" * 8
    far[-10] += 12
    for data in [*cut, *changed, bytes(far)]:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    archive.read(name)
        except DAMAGED_ARCHIVE:
            continue
