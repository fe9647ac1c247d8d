"""What several tests need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from stores import write_member

from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

ROOT = Path(__file__).resolve().parent.parent

#: Programs that tests start.
collect_ignore = ["runs/cluster"]

# A busy machine is no fault of the code: examples have no time limit.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared():
    """The folder of real slides, which is not part of the repository."""
    folder = Path(os.environ.get("NUCWSI_SHARED", ROOT.parent / "shared"))
    if not (folder / "slides").is_dir():
        pytest.skip(f"no real slides: {folder / 'slides'} does not exist (set NUCWSI_SHARED)")
    return folder


@pytest.fixture(scope="session")
def small_slide(tmp_path_factory):
    """A phantom slide of some hundred nuclei."""
    path = tmp_path_factory.mktemp("slide") / "small.tiff"
    write_phantom(path, Phantom((1600, 2100), seed=5))
    return path


@pytest.fixture(scope="session")
def assessment_file(small_slide, tmp_path_factory):
    """The assessment of the small slide beside its results; its regions have hostile names."""
    from shown import HOSTILE, assessed, phantom_nuclei, write_results

    folder = tmp_path_factory.mktemp("shown") / "results" / "small"
    return assessed(small_slide, write_results(small_slide, folder, phantom_nuclei(), HOSTILE))


@pytest.fixture(scope="session")
def tiny_member(tmp_path_factory):
    """A checkpoint with random weights, fast to run."""
    return write_member(tmp_path_factory.mktemp("member") / "tiny.safetensors")


@pytest.fixture
def snakemake(tmp_path):
    """Run Snakemake in a folder of its own, as from a shell without the environment's PATH."""

    def run(*words, snakefile="Snakefile", check=True, cores=2, path="/usr/bin:/bin", **settings):
        command = [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / snakefile)),
            *("--directory", str(tmp_path), "--nocolor"),
            *(("--cores", str(cores)) if cores else ()),
            *map(str, words),
        ]
        if settings:
            command += ["--config", *(f"{key}={value}" for key, value in settings.items())]
        environment = {**os.environ, "PATH": path}
        ran = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, cwd=tmp_path
        )
        ran.text = ran.stdout + ran.stderr
        if check:
            assert ran.returncode == 0, ran.text
        return ran

    (tmp_path / "config").mkdir()
    for name in ("config.yaml", "slides.tsv"):
        (tmp_path / "config" / name).write_bytes((ROOT / "config" / name).read_bytes())
    run.folder = tmp_path
    return run
