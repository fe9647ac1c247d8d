"""The limits of what a file may say of miscounts."""

import pytest
from pydantic import TypeAdapter, ValidationError

from nucwsi.nuclei.miscount import Miscount

READ = TypeAdapter(Miscount).validate_python


def test_what_is_within_the_limits_is_read():
    read = READ({"lone": 0, "common": 0.1, "confusion": {"a": 99.0}})
    assert read == Miscount(0.0, 0.1, {"a": 99.0})


@pytest.mark.parametrize(
    "change",
    [
        {"lone": -0.1},
        {"common": 100.0},
        {"common": float("nan")},
        {"confusion": {"a": "1"}},
        {"x": 1},
    ],
)
def test_what_would_make_no_interval_is_refused(change):
    with pytest.raises(ValidationError):
        READ({"lone": 0.5, "common": 0.1, "confusion": {}, **change})
