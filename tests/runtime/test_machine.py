"""Where bfloat16 is fast is known without torch, and a GPU changes `predict` alone."""

from nucwsi.io.benchmarks import read_costs
from nucwsi.models.precision import choose_precision
from nucwsi.runtime.machine import costs_on, has_fast_bfloat16, this_machine


def test_processors_compute_in_bfloat16_where_the_networks_do():
    assert has_fast_bfloat16("vendor_id: AuthenticAMD flags: avx512_bf16")
    assert has_fast_bfloat16("GenuineIntel amx_bf16 avx512_bf16")
    assert not has_fast_bfloat16("GenuineIntel avx512_bf16")
    assert not has_fast_bfloat16("")


def test_the_word_of_the_system_is_that_of_torch():
    import torch

    fast = choose_precision(torch.device("cpu")) is torch.bfloat16
    assert has_fast_bfloat16() is fast


def test_a_gpu_changes_predict_alone():
    machine, costs = this_machine()._replace(gpu=True), read_costs()
    changed = [a.verb for a, b in zip(costs, costs_on(machine, costs), strict=True) if a != b]
    assert changed == ["predict"]
    assert costs_on(machine._replace(gpu=False), costs) == costs
