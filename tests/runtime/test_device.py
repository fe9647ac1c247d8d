"""The setting `device` names a device of this machine, or is refused."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from nucwsi.config import EvaluateSettings, PredictSettings
from nucwsi.errors import ConfigError
from nucwsi.runtime.device import choose_device, placed


def test_a_device_that_is_not_there_is_refused():
    absent = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ConfigError, match=r"device: cpu"):
        choose_device(absent)
    for name in ("gpu", "meta", "cpu:x", ""):
        with pytest.raises(ConfigError, match=f"'{name}' is none of auto, cpu, cuda, cuda:N, mps"):
            choose_device(name)


@pytest.mark.parametrize(("backend", "words"), [("mps", "Apple's Metal"), ("xpu", "Intel's XPU")])
def test_other_accelerators_are_taken_where_torch_sees_them(monkeypatch, backend, words):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match=f"sees 0 devices of {words}; use `device: cpu`"):
        choose_device(backend)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 1)
    assert choose_device(backend).type == backend


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:1", "mps", "xpu", "xpu:1"])
def test_the_settings_let_every_device_through(name):
    for settings in (PredictSettings, EvaluateSettings):
        assert settings(device=name).device == name
        with pytest.raises(ValidationError, match="should match pattern"):
            settings(device=f"{name}x")


def test_a_device_keeps_the_number_that_it_was_given():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_an_array_on_the_processor_is_placed_without_a_copy():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = placed(values, torch.device("cpu"))
    assert tensor.data_ptr() == values.ctypes.data
    assert tensor.tolist() == values.tolist()
