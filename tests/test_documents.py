"""Documents: what no file can hold, and what a newer version wrote, is refused in one line."""

import pytest
from pydantic import BaseModel, ValidationError

from nucwsi.documents import check_format, check_text, first_fault


@pytest.mark.parametrize("document", ["\ud800", {"\udfff": 1}, [{"a": ["x", "b\ud800"]}]])
def test_half_a_character_is_found_wherever_it_stands(document):
    with pytest.raises(ValueError, match=r"holds '\\ud(800|fff)', which is half of a character"):
        check_text(document)
    check_text({"whole": ["\U0001f52c", "µ", None, 1.5]})


def test_a_newer_format_is_refused_and_an_older_or_unnumbered_one_is_not():
    with pytest.raises(ValueError, match=r"format 4 is newer than the 3 .* reads; update nucwsi"):
        check_format({"version": 4}, 3)
    for document in ({"version": 3}, {"version": 1}, {}, {"version": "4"}):
        check_format(document, 3)
    with pytest.raises(ValueError, match="half of a character"):
        check_format({"name": "\ud800"}, 3)


def test_the_first_fault_names_its_place_and_what_came():
    class _Side(BaseModel):
        px: int

    class _Box(BaseModel):
        sides: list[_Side]

    with pytest.raises(ValidationError) as caught:
        _Box.model_validate({"sides": [{"px": 1}, {"px": "wide"}]})
    assert first_fault(caught.value).startswith("`sides.1.px`: ")
    assert first_fault(caught.value).endswith("got 'wide'")
