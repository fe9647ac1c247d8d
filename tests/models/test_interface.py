"""What a card says of windows and outputs holds together."""

import pytest
from pydantic import ValidationError

from nucwsi.models.interface import Interface

FIELDS = {"np": "np", "hv": "hv", "tp": "tp", "stride": 8, "receptive_radius_px": 20}


def test_windows_of_one_size_have_room_for_their_halo():
    assert Interface(**FIELDS, window_px=56).window_px == 56


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window_px": 48}, "above twice the halo of 24"),
        ({"window_px": 57}, "expected a multiple of the stride of 8"),
        ({"window_px": 512, "local": False}, "must take windows of every size"),
        ({"stride": 0}, "greater than or equal to 1"),
        ({"receptive_radius_px": -1}, "greater than or equal to 0"),
        ({"np": ""}, "at least 1 character"),
        ({"radius": 3}, "not permitted"),
        ({"stride": True}, "valid integer"),
    ],
)
def test_what_contradicts_itself_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        Interface(**{**FIELDS, **change})
