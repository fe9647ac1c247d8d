"""Names of numbered classes, as users write them."""

import pytest

from nucwsi.errors import ConfigError
from nucwsi.io.foreign.numbered import numbered_names


def test_numbers_have_names_with_blanks_and_signs():
    assert numbered_names("", "x") == {}
    names = {"0": "none", "12": "a = 'b'"}
    assert numbered_names(" 0= none , 12 =a = 'b',", "x") == names


@pytest.mark.parametrize("text", ["tumour", "=tumour", "1=", "a=tumour", "1=a,,2", "-1=a"])
def test_what_is_no_number_and_name_is_refused(text):
    with pytest.raises(ConfigError, match=r"here: .* expected a number and a name such as"):
        numbered_names(text, "here")


def test_a_number_has_one_name():
    with pytest.raises(ConfigError, match="here: names 1 twice, a and b"):
        numbered_names("1=a,2=b,1=b", "here")
