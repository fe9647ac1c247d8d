"""`nucwsi import` reads the names of numbered classes."""

import pytest

from nucwsi.cli.foreign import _numbered
from nucwsi.errors import ConfigError


def test_names_of_numbered_classes():
    assert _numbered("1=tumour, 2 = plasma cell,") == {"1": "tumour", "2": "plasma cell"}
    assert _numbered("") == {}


@pytest.mark.parametrize("text", ["tumour", "1=", "=a", "x=a", "1=a,2"])
def test_what_is_no_number_and_name_is_refused(text):
    with pytest.raises(ConfigError, match=r"--classes: '.*', expected a number and a name"):
        _numbered(text)
