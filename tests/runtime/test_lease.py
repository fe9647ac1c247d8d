"""One job, one GPU: held by one process at a time, free again when that ends or dies."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from nucwsi.runtime import lease
from nucwsi.runtime.lease import leased

CUDA = torch.device("cuda")


class WaitedError(Exception):
    """All devices are taken."""


@pytest.fixture
def two_gpus(monkeypatch, tmp_path):
    """Return the folder of the locks on a machine with two GPUs, where nobody likes to wait."""

    def wait(seconds):
        raise WaitedError

    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    properties = [SimpleNamespace(uuid=f"GPU-{number}") for number in "ab"]
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties[index])
    monkeypatch.setattr(lease, "tempfile", SimpleNamespace(gettempdir=lambda: tmp_path))
    monkeypatch.setattr(lease, "time", SimpleNamespace(sleep=wait))
    folder = tmp_path / f"nucwsi-gpus-{lease.os.getuid()}"
    folder.mkdir()
    return folder


@pytest.mark.usefixtures("two_gpus")
def test_each_lease_holds_another_device_until_its_block_ends():
    with leased(CUDA) as first:
        with leased(CUDA) as second:
            assert (first, second) == (torch.device("cuda", 0), torch.device("cuda", 1))
            with pytest.raises(WaitedError), leased(CUDA):
                pass
        with leased(CUDA) as again:
            assert again == second


def test_a_device_is_free_again_when_its_holder_dies(two_gpus):
    code = (
        "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX);"
        "print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(two_gpus / "GPU-a")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with leased(CUDA) as device:
            assert device.index == 1
        holder.kill()
        holder.wait()
        with leased(CUDA) as device:
            assert device.index == 0


@pytest.mark.parametrize("name", ["cpu", "cuda:1"])
def test_nothing_is_leased_where_the_device_is_given(two_gpus, name):
    with leased(torch.device(name)) as device:
        assert device == torch.device(name)
        assert not list(two_gpus.iterdir())


def test_under_slurm_the_scheduler_has_leased_already(two_gpus, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with leased(CUDA) as device:
        assert device == CUDA
        assert not list(two_gpus.iterdir())
