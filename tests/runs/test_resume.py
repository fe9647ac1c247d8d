"""A step that is killed at any moment, without a chance to tidy up, resumes to the same result."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from stores import cells_of, write_member, write_tiles
from tables_made import write_result

import nucwsi.steps.stitch as stitching
from nucwsi.config import StitchSettings
from nucwsi.io.nuclei.parquet import iter_tables, read_facts, write_nuclei
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

#: A ``nucwsi`` that sends itself a signal when tile N is written but not yet recorded as done or,
#: for N = -1, when its output is written but not yet renamed into place.
MORTAL = """
import os, sys
from nucwsi.cli.commands import main
from nucwsi.io.stores import publish as store
number, left = int(sys.argv.pop(1)), int(sys.argv.pop(1))
honest, sync = store.Workspace.mark, os.fsync
def mark(self, key, *noted):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), number)
    honest(self, key, *noted)
def fsync(handle):
    if left == -1:
        os.kill(os.getpid(), number)
    sync(handle)
store.Workspace.mark = mark if left > 0 else honest
os.fsync = fsync
main()
"""
HONEST = "from nucwsi.cli.commands import main; main()"


def started(*words, signalled=None, at=0):
    code = [HONEST] if signalled is None else [MORTAL, str(int(signalled)), str(at)]
    command = [sys.executable, "-c", *code, *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finished(*words, **how):
    """Run to the end; return the exit status and what was logged."""
    process = started(*words, **how)
    log = process.communicate()[1]
    return process.returncode, log


class Step:
    """A step that makes one output in a folder, and the number of tiles that it processes."""

    def __init__(self, words, artefact, others=()):
        self.words, self.artefact, self.others = words, artefact, others

    def command(self, folder, *options):
        named = [word.format(folder=folder) for word in self.words]
        return (*named, "-o", folder / self.artefact, *options)

    def results(self, folder):
        return {name: (folder / name).read_bytes() for name in (self.artefact, *self.others)}

    def done(self, folder):
        noted = folder / f".{self.artefact}.work" / "done"
        return noted.read_text().count("\n") if noted.exists() else 0


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_phantom(folder / "slide.tiff", Phantom((1500, 1800), seed=2))
    write_member(folder / "tiny.safetensors")
    rng = np.random.default_rng(1)
    rgb, tissue = rng.integers(0, 256, (3, 600, 700), np.uint8), np.ones((600, 700), bool)
    write_tiles(folder / "tiles.zarr.zip", rgb, cells_of(tissue), 256)
    return folder


@pytest.fixture(scope="module", params=["tile", "predict"])
def step(request, inputs, tmp_path_factory):
    """A step, and the results of an uninterrupted run of it."""
    member = f"--member={inputs / 'tiny.safetensors'}"
    steps = {
        "tile": Step(
            [
                *("tile", f"{inputs / 'slide.tiff'}", "--core-px=256", "--threads=2", member),
                "--tissue-output={folder}/tissue.geojson",
            ],
            "tiles.zarr.zip",
            ["tissue.geojson"],
        ),
        "predict": Step(
            ["predict", f"{inputs / 'tiles.zarr.zip'}", "--device=cpu", member], "1-of-1.zarr.zip"
        ),
    }
    one = steps[request.param]
    folder = tmp_path_factory.mktemp("uninterrupted")
    code, log = finished(*one.command(folder))
    assert code == 0, log
    one.expected = one.results(folder)
    one.tiles = int(log.split(" tiles in ")[0].rsplit(maxsplit=1)[1])
    assert one.tiles > 8
    return one


@pytest.mark.parametrize("at", [5, -1])
def test_a_killed_step_goes_on_and_ends_the_same(step, tmp_path, at):
    command = step.command(tmp_path)
    code, log = finished(*command, signalled=signal.SIGKILL, at=at)
    assert code == -signal.SIGKILL, log
    assert not (tmp_path / step.artefact).exists(), "nothing half-made bears the artefact's name"
    done = step.done(tmp_path)
    assert done == (step.tiles if at == -1 else at - 1)
    code, log = finished(*command)
    assert code == 0, log
    assert f"resuming: {done} " in log
    assert f" {step.tiles - done} tiles in " in log, "finished tiles are not done again"
    assert step.results(tmp_path) == step.expected
    assert {path.name for path in tmp_path.iterdir()} == set(step.expected), "nothing lies about"


def test_leftovers_of_another_configuration_are_thrown_away(step, tmp_path):
    other = {"tile": "--tissue-margin-um=40", "predict": "--views=2"}[step.words[0]]
    code, log = finished(*step.command(tmp_path, other), signalled=signal.SIGKILL, at=5)
    assert code == -signal.SIGKILL, log
    assert step.done(tmp_path) == 4
    code, log = finished(*step.command(tmp_path))
    assert code == 0, log
    assert "resuming" not in log
    assert step.results(tmp_path) == step.expected


@pytest.fixture
def orphan(step, tmp_path):
    """A process that has slept since its fourth tile."""
    process = started(*step.command(tmp_path), signalled=signal.SIGSTOP, at=4)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    yield process
    process.kill()
    process.communicate()


def test_an_orphan_keeps_its_successor_out_until_it_ends(step, orphan, tmp_path):
    """Snakemake was killed and started again, but its job still runs."""
    command = step.command(tmp_path)
    code, log = finished(*command)
    assert code == 1
    assert "another process is working on it; wait for it or end it" in log.splitlines()[-1]
    assert "Traceback" not in log
    orphan.kill()
    orphan.wait()
    done = step.done(tmp_path)
    assert 3 <= done < step.tiles
    code, log = finished(*command)
    assert code == 0, log
    assert f"resuming: {done} " in log
    assert step.results(tmp_path) == step.expected


def test_an_orphan_that_is_left_alone_finishes(step, orphan, tmp_path):
    finished(*step.command(tmp_path))
    orphan.send_signal(signal.SIGCONT)
    assert orphan.wait() == 0
    assert step.results(tmp_path) == step.expected
    assert {path.name for path in tmp_path.iterdir()} == set(step.expected)


def test_stitch_takes_no_file_that_a_killed_run_left_half_written(tmp_path, monkeypatch):
    part, _, _ = write_result(tmp_path / "made", 200)
    facts = read_facts(part).with_(kind="part")
    write_nuclei(tmp_path / "1.parquet", iter_tables(part), facts, 50)
    outputs = tmp_path / "nuclei.parquet", tmp_path / "seams.json"
    with monkeypatch.context() as killing:
        killing.setattr(np, "lexsort", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stitching.stitch([tmp_path / "1.parquet"], *outputs, StitchSettings(row_group=1024))
    dealt = sorted((tmp_path / ".nuclei.parquet.work").rglob("*.arrow"))
    shutil.copy(dealt[0], dealt[0].with_name(f"1{dealt[0].name}"))
    (dealt[0].parent / f"2{dealt[0].name}").write_bytes(b"half")
    stitching.stitch([tmp_path / "1.parquet"], *outputs, StitchSettings(row_group=1024))
    assert len(read_columns(outputs[0], ["id"])["id"]) == 200


def test_a_step_that_is_told_to_end_leaves_nothing_half_written(tmp_path):
    (tmp_path / "a.csv").write_text("slide\n")
    words = [str(int(signal.SIGTERM)), "-1", "summary", "a.csv", "-o", "out.csv"]
    ran = subprocess.run([sys.executable, "-c", MORTAL, *words], cwd=tmp_path, check=False)
    assert ran.returncode == 128 + signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
