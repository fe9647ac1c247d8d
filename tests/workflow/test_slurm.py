"""The state of SLURM's jobs is asked of a program that answers; where none does, the run stops."""

import pytest

from nucwsi.errors import ConfigError
from nucwsi.workflow import answering_command, slurm

ANSWERS = "exit 0"
DISABLED = "echo 'Slurm accounting storage is disabled' >&2; exit 1"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Install programs, each a line of shell."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def install(**programs):
        for name, line in programs.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
            (tmp_path / name).chmod(0o755)

    return install


def remembers(seconds):
    return f"echo 'KillWait = 30 sec'; echo 'MinJobAge               = {seconds} sec'"


@pytest.mark.parametrize("wanted", ["sacct", "squeue"])
def test_where_accounting_answers_nothing_is_changed(cluster, wanted):
    cluster(sacct=ANSWERS, scontrol="exit 1")
    assert answering_command(wanted, 40) == (wanted, "")


@pytest.mark.parametrize(
    ("sacct", "reason"),
    [
        (DISABLED, "Slurm accounting storage is disabled"),
        ("echo 'Slurm accounting storage is disabled'; exit 1", "accounting storage is disabled"),
        ("exit 3", "exit code 3"),
        ("exec sleep 60", "took more than 0.5 s"),
    ],
    ids=["disabled", "on stdout", "silent", "hangs"],
)
def test_without_accounting_squeue_is_asked_and_said_so(cluster, monkeypatch, sacct, reason):
    monkeypatch.setattr(slurm, "_PATIENCE_S", 0.5)
    cluster(sacct=sacct, scontrol=remembers(300))
    command, notice = answering_command("sacct", 40)
    assert command == "squeue"
    assert reason in notice
    assert "slurm-status-command: squeue" in notice
    assert answering_command("squeue", 40) == ("squeue", "")


def test_a_cluster_on_which_sacct_is_not_installed(cluster, tmp_path, monkeypatch):
    cluster(scontrol=remembers(300))
    (tmp_path / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    command, notice = answering_command("sacct", 40)
    assert command == "squeue"
    assert "sacct is not installed" in notice


@pytest.mark.parametrize("wanted", ["sacct", "squeue"])
@pytest.mark.parametrize(("seconds", "first_wait_s", "needed"), [(60, 40, 220), (300, 120, 360)])
def test_a_run_stops_if_finished_jobs_would_be_forgotten(
    cluster, wanted, seconds, first_wait_s, needed
):
    cluster(sacct=DISABLED, scontrol=remembers(seconds))
    with pytest.raises(ConfigError, match=f"forgets jobs {seconds} s .*MinJobAge={needed}"):
        answering_command(wanted, first_wait_s)


def test_a_run_stops_where_slurm_does_not_answer(cluster):
    cluster(sacct=DISABLED, scontrol="echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(ConfigError, match="SLURM does not answer: Unable to contact"):
        answering_command("sacct", 40)
