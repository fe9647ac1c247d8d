"""`report`: the page in its file, with run times and links to the viewers."""

import json
import re

import pytest
from commands import refused, succeeded
from shown import Page

from nucwsi.config import ReportSettings
from nucwsi.errors import StoreError
from nucwsi.io.csv_table import read_csv
from nucwsi.report.multiqc import MULTIQC_FILES
from nucwsi.steps.report import report


def test_times_come_from_the_benchmarks(assessment_file, tmp_path):
    folder = tmp_path / "benchmarks" / "small"
    folder.mkdir(parents=True)
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    (folder / "stitch.tsv").write_text(f"{header}1.00\t0:00:01\t50.0\t1\t1\t1\t1\t1\t1\t0.50\n")
    for part, memory in ((1, "700.0"), (2, "600.0"), (3, "NA")):
        line = f"10.25\t0:00:10\t{memory}\t1\t1\t1\t1\t1\t1\t20.5\n"
        (folder / f"predict.{part}-of-3.tsv").write_text(header + line)
    output = tmp_path / "report.html"
    report([assessment_file], output, ReportSettings(), benchmarks=tmp_path / "benchmarks")
    words = [word.strip() for word in Page(output.read_text()).words if word.strip()]
    at = words.index("predict")
    assert words[at : at + 5] == ["predict", "3", "30.8", "61.5", "700"]
    assert words[at + 5 : at + 10] == ["stitch", "1", "1.0", "0.5", "50"]


def test_a_viewer_is_linked_where_there_is_one(assessment_file, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    copy, output = folder / "assessment.json", tmp_path / "report.html"
    copy.write_bytes(assessment_file.read_bytes())
    report([copy], output, ReportSettings())
    assert "Open the viewer" not in Page(output.read_text("utf-8")).words
    (folder / "viewer").mkdir()
    (folder / "viewer" / "index.html").touch()
    report([copy], output, ReportSettings())
    page = Page(output.read_text("utf-8"))
    links = [address for address in page.addresses if "viewer" in address]
    assert links[0] == "small/viewer/index.html"
    fields = [one for one in links if re.fullmatch(r"small/viewer/index.html#at=\d+,\d+,400", one)]
    assert len(fields) == 12


def test_from_the_command_line(assessment_file, tmp_path):
    succeeded("report", assessment_file, "-o", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("text", ["", "{}", '{"kind": "seams"}', "[]", '{"kind": "assessment"}'])
def test_what_is_no_assessment_is_refused(tmp_path, text):
    wrong = tmp_path / "wrong.json"
    wrong.write_text(text)
    with pytest.raises(StoreError, match=r"wrong\.json: is not an assessment \(.*nucwsi assess"):
        report([wrong], tmp_path / "report.html", ReportSettings())
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document["composition"].clear(),
        lambda document: document["composition"][0].pop("n_nuclei"),
        lambda document: document["composition"][1].pop("n_epithelial"),
        lambda document: document["composition"][0].update(tissue_area_mm2="inf"),
        lambda document: document["composition"][0].update(epithelial_low="nan"),
        lambda document: document["thumbnail"].update(mpp=0),
        lambda document: document["thumbnail"].update(size=[0, 100]),
        lambda document: document["crops"][0].update(mpp=-1),
    ],
)
def test_an_assessment_that_cannot_be_shown_is_refused(assessment_file, tmp_path, spoil):
    document = json.loads(assessment_file.read_text("utf-8"))
    spoil(document)
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(document), "utf-8")
    with pytest.raises(StoreError, match=r"wrong\.json: is not an assessment \(.*nucwsi assess"):
        report([wrong], tmp_path / "report.html", ReportSettings())
    assert not (tmp_path / "report.html").exists()


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(StoreError, match=r"is not an assessment \(.*Is a directory"):
        report([tmp_path], tmp_path / "report.html", ReportSettings())
    with pytest.raises(StoreError, match=r"none\.json: does not exist; run `nucwsi assess`"):
        report([tmp_path / "none.json"], tmp_path / "report.html", ReportSettings())


def test_the_folder_of_benchmarks_need_not_exist(assessment_file, tmp_path):
    output = tmp_path / "report.html"
    report([assessment_file], output, ReportSettings(), benchmarks=tmp_path / "none")
    assert "No benchmark files were found." in output.read_text("utf-8")


def test_groups_are_written_and_what_multiqc_shows(assessment_file, tmp_path):
    slides = cohort_files(assessment_file, tmp_path, 6)
    tables = ("--groups", tmp_path / "groups.csv", "--patients", tmp_path / "patients.csv")
    output = tmp_path / "report.html"
    succeeded(
        *("report", *slides, "-o", output, *tables, "--multiqc", tmp_path),
        *("--compare", "group", "--pair", "patient"),
    )
    groups = read_csv(tmp_path / "groups.csv")
    assert {(row["compare"], row["pair"], row["n_a"]) for row in groups} == {
        ("group", "patient", "3")
    }
    assert len(read_csv(tmp_path / "patients.csv")) >= 6
    assert {"groups.csv", "patients.csv"} <= set(Page(output.read_text("utf-8")).addresses)
    for name in MULTIQC_FILES:
        assert len(json.loads((tmp_path / name).read_text("utf-8"))["data"]) == 6


def cohort_files(assessment_file, folder, n):
    """Assessments of the same slide under other names, two of each patient."""
    document = json.loads(assessment_file.read_text("utf-8"))
    paths = []
    for at in range(n):
        document["facts"]["slide"] = f"s{at}"
        document["further"] = {"patient": f"P{at // 2}", "group": "ab"[at % 2]}
        path = folder / f"s{at}" / "assessment.json"
        path.parent.mkdir()
        path.write_text(json.dumps(document), "utf-8")
        paths.append(path)
    return paths


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--compare", "grp"), "has no further column 'grp', but 'patient', 'group'; name one"),
        (
            ("--compare", "group", "--pair", "block"),
            "`pair`: the slide sheet has no further column",
        ),
    ],
)
def test_columns_that_do_not_exist_are_named(assessment_file, tmp_path, words, message):
    slides = cohort_files(assessment_file, tmp_path, 2)
    line = refused("report", *slides, "-o", tmp_path / "report.html", *words, code=2)
    assert message in line
    assert not (tmp_path / "report.html").exists()


def test_a_slide_is_named_once(assessment_file, tmp_path):
    line = refused("report", assessment_file, assessment_file, "-o", tmp_path / "report.html")
    assert "is of the slide 'small', as is" in line


def test_a_failed_slide_links_to_its_log(assessment_file, tmp_path):
    (tmp_path / "tile.log").write_text("nucwsi tile: no")
    rows = [{"slide": "a", "reason": "no", "log": str(tmp_path / "tile.log")}]
    (tmp_path / "failed.json").write_text(json.dumps(rows))
    output = tmp_path / "report.html"
    report([assessment_file], output, ReportSettings(), failed=tmp_path / "failed.json")
    assert "tile.log" in Page(output.read_text("utf-8")).addresses
    (tmp_path / "failed.json").write_text('[{"slide": "a"}]')
    with pytest.raises(StoreError, match=r"failed.json: is no list of failed slides"):
        report([assessment_file], output, ReportSettings(), failed=tmp_path / "failed.json")
