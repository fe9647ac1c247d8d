"""Errors form one tree, and each is also the built-in error that a Python user expects."""

import inspect

import pytest

from nucwsi import errors

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
