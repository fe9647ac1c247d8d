"""The workflow brings a pathologist's answers into tables and report, and asks no network again."""

import csv
import json

from commands import succeeded
from reviewed import exported, nuclei_in, set_class

from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom


def test_answers_in_the_sheet_correct_the_tables(snakemake, monkeypatch):
    folder, results = snakemake.folder, snakemake.folder / "results"
    for name, seed in (("a", 1), ("b", 2)):
        write_phantom(folder / f"{name}.tiff", Phantom((600, 600), seed=seed))
    sheet = folder / "slides.tsv"
    sheet.write_text("slide\tpath\na\ta.tiff\nb\tb.tiff\n")
    settings = {"slides": sheet, "viewer": "false"}
    snakemake("results/a/composition.csv", "results/b/composition.csv", **settings)
    monkeypatch.chdir(folder)
    succeeded("review", results / "a", "-o", folder / "w.geojson", "--labels", 30)
    document = json.loads((folder / "w.geojson").read_text())
    for one in nuclei_in(document):
        set_class(one, "epithelial")
    exported(folder / "my answers.geojson", document)
    before = {p: p.stat().st_mtime_ns for p in results.glob("*/nuclei.parquet")}
    uncorrected = (results / "b" / "composition.csv").read_bytes()

    sheet.write_text("slide\tpath\tanswers\na\ta.tiff\tmy answers.geojson\nb\tb.tiff\t\n")
    ran = snakemake(**settings)
    assert "rule correct" in ran.text
    assert "rule predict" not in ran.text
    assert {p: p.stat().st_mtime_ns for p in results.glob("*/nuclei.parquet")} == before
    assert (results / "b" / "composition.csv").read_bytes() == uncorrected
    with (results / "composition.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["region_id"] == "slide"]
    assert [bool(row["corrected_epithelial"]) for row in rows] == [True, False]
    assert float(rows[0]["corrected_frac_epithelial"]) > 0.9
    assert "Corrected by a review" in (results / "report.html").read_text()
    assert json.loads((results / "a" / "provenance.json").read_text())["review"]["draws"]
    assert (results / "corrected.csv").exists()
    assert "Nothing to be done" in snakemake("-n", **settings).stdout
    # Without answers, the table is that of the network again.
    sheet.write_text("slide\tpath\na\ta.tiff\nb\tb.tiff\n")
    planned = snakemake("-n", **settings).stdout
    assert "rule compose:" in planned
    assert "rule correct:" not in planned
