"""The setting `device` names a device of this machine, or is refused."""

import pytest
import torch

from nucwsi.errors import ConfigError
from nucwsi.runtime.device import choose_device


def test_a_device_that_is_not_there_is_refused():
    absent = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ConfigError, match=r"device: cpu"):
        choose_device(absent)
    with pytest.raises(ConfigError, match="'gpu' is none of auto, cpu, cuda and cuda:N"):
        choose_device("gpu")


def test_a_device_keeps_the_number_that_it_was_given():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
