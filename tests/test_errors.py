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
