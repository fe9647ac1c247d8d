"""Jobs that Snakemake runs here are forked, and do what programs of their own would do."""

import subprocess
import sys
import tempfile

import pytest

SNAKEFILE = """
import time
from nucwsi.runtime.forks import is_warm
from nucwsi.workflow import find_own_commands

find_own_commands()
while not is_warm():
    time.sleep(0.01)

rule said:
    output:
        "a b/said.txt"
    benchmark:
        "cost.tsv"
    resources:
        tmpdir={tmpdir!r},
    shell:
        "nucwsi --version > {{output:q}} 2>&1"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is loaded beforehand elsewhere")
@pytest.mark.parametrize("own", [False, True])
def test_a_job_works_in_the_folder_of_the_run(tmp_path, own):
    file, place = tmp_path / "Snakefile", tmp_path / "b's 2"
    place.mkdir()
    file.write_text(SNAKEFILE.format(tmpdir=str(tmp_path) if own else tempfile.gettempdir()))
    command = [
        *(sys.executable, "-m", "nucwsi.cli.workflow", "--snakefile", str(file)),
        *("--directory", str(place), "--cores", "1"),
    ]
    ran = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert (place / "a b" / "said.txt").read_text().startswith("nucwsi, version")
    # Snakemake measures programs, and knows more of them.
    forked = "NA" in (place / "cost.tsv").read_text().splitlines()[1].split("\t")[3:7]
    assert forked is not own, "a fork has the temporary folder of the run"
