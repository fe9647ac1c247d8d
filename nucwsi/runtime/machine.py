"""What a machine has that decides how long the jobs of a slide take."""

from __future__ import annotations

import os
from pathlib import Path

from nucwsi.runtime.forecast import Cost, Machine

#: Verb -> threads of its jobs, as the rules say; the others have one.
RULE_THREADS = {"tile": 2, "predict": 8, "segment": 2, "assess": 2, "render": 2}

#: How many times as long `predict` takes without fast bfloat16 (docs/performance.md, bfloat16).
_FLOAT32 = 1.59

#: `predict` on an NVIDIA H200, in an earlier form: seconds to begin, and seconds for a megapixel of
#: windows of single tiles (0.15 s/mm² of lung-scc, whose windows are 59 megapixels for a mm²).
_GPU_S, _GPU_S_PER = 10.0, 0.0026


def this_machine() -> Machine:
    """Describe the machine that this process runs on.

    Returns
    -------
    Machine
        Slides one after another, each job with the threads that the rules give it.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = {verb: min(n, cores or 1) for verb, n in RULE_THREADS.items()}
    speed = {} if has_fast_bfloat16() else {"predict": _FLOAT32}
    gpu = Path("/dev/nvidia0").exists()
    return Machine("this machine", threads, 1, speed=speed, gpu=gpu)


def has_fast_bfloat16(flags: str | None = None) -> bool:
    """Return whether the networks compute in bfloat16 on the processor, without asking torch.

    Parameters
    ----------
    flags : str, optional
        What the system says of its processors; by default that of this machine.

    Returns
    -------
    bool
        As `models.precision` decides; False where the system does not say.
    """
    if flags is None:
        try:
            flags = Path("/proc/cpuinfo").read_text("utf-8", "replace")
        except OSError:
            return False
    return "amx_bf16" in flags or ("avx512_bf16" in flags and "AMD" in flags)


def costs_on(machine: Machine, costs: list[Cost]) -> list[Cost]:
    """Return what the verbs cost on a machine, which may have a GPU.

    Parameters
    ----------
    machine : Machine
        Where the jobs will be.
    costs : list of Cost
        On a processor.

    Returns
    -------
    list of Cost
        With a GPU, `predict` has other times; its memory on the host is that of a processor.
    """
    if not machine.gpu:
        return costs
    return [
        one._replace(threads=1, s=_GPU_S, s_per=_GPU_S_PER) if one.verb == "predict" else one
        for one in costs
    ]
