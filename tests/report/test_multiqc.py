"""MultiQC finds our files, and shows our numbers as they are."""

import json
import shutil
import subprocess

import pytest
from cohort_made import CLASSES, cohort

from nucwsi.report.multiqc import MULTIQC_FILES, multiqc_documents
from nucwsi.workflow import plan


def test_the_workflow_declares_what_is_written():
    assert plan.MULTIQC_FILES == MULTIQC_FILES == tuple(multiqc_documents(cohort()))


def test_every_slide_has_its_numbers():
    rows = cohort()
    slides, composition = multiqc_documents(rows).values()
    assert list(slides["data"]) == list(composition["data"]) == [row.name for row in rows]
    for row in rows:
        assert slides["data"][row.name]["n_nuclei"] == row.whole.n
        assert composition["data"][row.name] == {p.name: p.n for p in row.whole.parts}
    assert set(composition["categories"]) == set(CLASSES)
    assert json.loads(json.dumps(slides)) == slides, "plain JSON, without NaN"


def test_multiqc_shows_them(tmp_path):
    program = shutil.which("multiqc")
    if program is None:
        pytest.skip("MultiQC is not installed: pip install multiqc")
    rows = cohort()
    for name, document in multiqc_documents(rows).items():
        (tmp_path / name).write_text(json.dumps(document))
    subprocess.run([program, str(tmp_path), "-o", str(tmp_path / "out")], check=True)
    data = json.loads((tmp_path / "out/multiqc_data/multiqc_data.json").read_text())
    saved = next(iter((tmp_path / "out/multiqc_data").glob("*nucwsi_slides*")))
    text = saved.read_text()
    for row in rows:
        assert row.name in text
        assert str(row.whole.n) in text
    assert any("nucwsi_composition" in name for name in data["report_plot_data"])
