"""Nuclei of other programs in a slide sheet go with ours through a whole run."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import shapely
from foreign_made import hovernet

from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

#: A random network finds nuclei everywhere or nowhere; this threshold gives some.
SEGMENT = "{np_threshold: 0.45, min_area_um2: 1}"


def test_a_sheet_may_name_nuclei_of_others_for_some_of_its_slides(tmp_path, tiny_member):
    for name, seed in (("ours", 3), ("its 'own", 5)):
        write_phantom(tmp_path / f"{name}.tiff", Phantom((420, 560), seed=seed))
    halves = [shapely.Point(20 + 14 * n, 90).buffer(6) for n in range(15)]
    hovernet(tmp_path / "its 'nuclei.json", halves, [1 + n % 2 for n in range(15)])
    (tmp_path / "s.tsv").write_text(
        "slide\tpath\tnuclei\tnuclei_mpp\tnuclei_classes\n"
        f"ours\t{tmp_path}/ours.tiff\n"
        f"theirs\t{tmp_path}/its 'own.tiff\t{tmp_path}/its 'nuclei.json\t0.5\t1=tumour,2=a 'b\n"
    )
    (tmp_path / "my.yaml").write_text(f"members: ['{tiny_member}']\nsegment: {SEGMENT}\n")
    results = tmp_path / "results"
    subprocess.run(
        [
            *(Path(sys.executable).with_name("nucwsi"), "run", tmp_path / "s.tsv"),
            *("-o", results, "--configfile", tmp_path / "my.yaml", "--", "--cores", "1"),
        ],
        check=True,
        capture_output=True,
    )
    with (results / "composition.csv").open() as stream:
        rows = {row["slide"]: row for row in csv.DictReader(stream) if row["region_id"] == "slide"}
    assert rows["theirs"]["n_nuclei"] == "15"
    assert (rows["theirs"]["n_tumour"], rows["theirs"]["n_epithelial"]) == ("8", "")
    assert rows["ours"]["n_tumour"] == ""
    assert int(rows["ours"]["n_nuclei"]) > 0
    assert rows["ours"]["n_epithelial"]
    assert not (results / "theirs" / "maps").exists()
    for name in ("viewer/index.html", "theirs.nuclei.qupath.zip", "theirs.regions.geojson"):
        assert (results / "theirs" / name).exists()
    told = json.loads((results / "theirs" / "provenance.json").read_text())
    assert told["models"][0]["name"] == "imported: its 'nuclei.json"
    report = (results / "report.html").read_text()
    assert "found by another program" in report
    assert "Nuclei of theirs were found by other programs." in report
