"""The number format that a device is asked to compute in."""

import pytest
import torch

from nucwsi.models.precision import choose_precision


def test_no_precision_is_lower_than_the_maps_can_bear():
    cuda = torch.device("cuda")
    assert choose_precision(cuda) is torch.float16
    assert choose_precision(cuda, training=True) is torch.bfloat16


@pytest.mark.parametrize(
    ("able", "precision"),
    [
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": True, "cpu_name": "AMD EPYC"}, torch.bfloat16),
        ({"avx512_bf16": True, "cpu_name": "Intel Xeon"}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_a_processor_computes_in_what_it_multiplies_faster(monkeypatch, able, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert choose_precision(torch.device("cpu")) is precision
