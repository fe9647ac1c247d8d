"""A run with a classifier of the user's own: its classes are everywhere, the network's are kept."""

import json
import re

import geopandas
import pandas as pd
from taught import a_classifier

from nucwsi.io.classifier import write_classifier


def sizes(path):
    """A classifier that knows the area alone."""
    model = a_classifier(
        classes=("large", "=small & <b>"),
        features=("area_um2", "circularity", "solidity"),
        confusion={},
        warnings=("29 answers are few",),
        figures=a_classifier().figures.model_copy(
            update={
                "classes": dict.fromkeys(
                    ("large", "=small & <b>"), a_classifier().figures.classes["large"]
                )
            }
        ),
    )
    write_classifier(path, model, "")
    return path


def test_its_classes_are_in_every_result(snakemake, small_slide, tiny_member):
    classifier = sizes(snakemake.folder / "my sizes.classifier")
    settings = {"slides": small_slide, "members": tiny_member, "viewer": "false"}
    settings |= {"classifier": classifier, "features": "true"}
    snakemake(**settings)
    folder = snakemake.folder / "results" / "small"
    found = geopandas.read_parquet(folder / "nuclei.parquet")
    before = geopandas.read_parquet(folder / "network.parquet")
    assert set(found["class"]) <= {"large", "=small & <b>"}
    assert list(found["network_class"]) == list(before["class"])
    assert len(pd.read_parquet(folder / "features.parquet")) == len(found)
    counts = pd.read_csv(folder / "composition.csv")
    assert counts["n_large"][0] == (found["class"] == "large").sum()
    noted = json.loads((folder / "provenance.json").read_text())["classifier"]
    assert noted["name"] == "mine"
    assert noted["warnings"] == ["29 answers are few"]
    page = (snakemake.folder / "results" / "report.html").read_text()
    assert "29 answers are few." in page
    assert "<b>" not in re.findall(r"mall &(.{8})", page)

    # Nothing is done twice; another classifier asks no network.
    assert "Nothing to be done" in snakemake("-n", **settings).text
    settings["classifier"] = sizes(snakemake.folder / "other.classifier")
    planned = snakemake("-n", **settings).text
    assert re.search(r"^classify +1$", planned, re.MULTILINE)
    assert not re.search(r"^(tile|predict|segment|stitch|features) +1$", planned, re.MULTILINE)


def test_a_wrong_classifier_stops_a_run_before_its_first_job(snakemake, small_slide):
    (snakemake.folder / "c").write_text("{}")
    for name, said in (("c", "is not a classifier"), ("none", "does not exist")):
        ran = snakemake("-n", slides=small_slide, classifier=name, check=False)
        assert ran.returncode != 0
        assert f"{name}: {said}" in ran.text
        assert "Traceback" not in ran.text
