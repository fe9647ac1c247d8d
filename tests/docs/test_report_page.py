"""Every command of docs/report.md and docs/cohorts.md runs and leaves the file that it names."""

import re
import shlex

from commands import succeeded
from conftest import ROOT
from shown import assessed, phantom_nuclei, write_results


def test_the_commands_of_its_page_run(small_slide, tmp_path, monkeypatch):
    text = "".join(
        (ROOT / "docs" / name).read_text("utf-8") for name in ("report.md", "cohorts.md")
    )
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "phantom.tiff").symlink_to(small_slide)
    folder = write_results(small_slide, tmp_path / "results" / "phantom", phantom_nuclei(keep=9))
    assessed(small_slide, folder)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    for line in "".join(blocks).splitlines():
        program, *words = shlex.split(line)
        assert program == "nucwsi"
        succeeded(*words)
        assert (tmp_path / words[words.index("-o") + 1]).exists()
