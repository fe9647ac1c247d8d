"""The settings of a review have limits."""

import pytest

from nucwsi.config import ReviewSettings, validated
from nucwsi.errors import ConfigError


@pytest.mark.parametrize("wrong", [{"labels": 1}, {"frames": -1}, {"frame_um": 5}, {"label": 5}])
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        validated(ReviewSettings, wrong, "command line")
