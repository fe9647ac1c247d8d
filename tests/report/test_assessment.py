"""The file of an assessment: written and read alike, and refused when it is not one."""

import json
import re

import numpy as np
import pytest
from shown import an_assessment

from nucwsi.report.assessment import FORMAT_VERSION, Assessment, SeamAudit
from nucwsi.report.packed_density import pack_density


def test_an_assessment_survives_its_file(assessment_file):
    for assessment in (an_assessment(), Assessment.from_json(assessment_file.read_bytes())):
        assert Assessment.from_json(assessment.to_json()) == assessment
    assert Assessment.from_json(assessment_file.read_bytes()).to_json() == (
        assessment_file.read_bytes()
    )


def test_a_newer_format_is_refused():
    document = json.loads(an_assessment().to_json())
    assert document["version"] == FORMAT_VERSION
    document["version"] += 1
    with pytest.raises(ValueError, match=rf"format {FORMAT_VERSION + 1} is newer .*update nucwsi"):
        Assessment.from_json(json.dumps(document).encode())


def test_a_file_from_before_formats_were_numbered_is_read():
    document = json.loads(an_assessment().to_json())
    del document["version"]
    assert Assessment.from_json(json.dumps(document).encode()) == an_assessment()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "seams"}, "holds 'seams', expected 'assessment'"),
        ({"facts": None}, "facts are a NoneType"),
        ({"path": 3}, "`path`: Input should be a valid string"),
        ({"extra": 1}, "`extra`: Extra inputs are not permitted"),
        ({"quality": {}}, "`quality.diameter_um`: Field required"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    document = {**json.loads(an_assessment().to_json()), **change}
    with pytest.raises(ValueError, match=re.escape(message)):
        Assessment.from_json(json.dumps(document).encode())


@pytest.mark.parametrize("part", ["crops", "density", "morphometry"])
def test_what_is_of_a_class_that_the_slide_has_not_is_refused(part, assessment_file):
    """A flipped bit made the class of an outline 65536 (fuzz, seed 1, case 3211)."""
    document = json.loads(assessment_file.read_bytes())
    n_classes = len(document["facts"]["classes"])
    if part == "crops":
        crop = next(crop for crop in document["crops"] if crop["paths"])
        crop["paths"][0]["code"] = 65536
    elif part == "density":
        document["density"] = pack_density(np.ones((n_classes + 1, 2, 2)), 25.0).model_dump()
    else:
        document["morphometry"].pop()
    with pytest.raises(ValueError, match=f"`(classes|{part}.*)`: .*({n_classes} classes|expected)"):
        Assessment.from_json(json.dumps(document).encode())


def test_of_the_audit_only_what_is_shown_is_kept():
    audit = {**an_assessment().seams.model_dump(), "n_control": 7}
    assert SeamAudit.from_json(json.dumps(audit).encode()) == an_assessment().seams
    del audit["cut_z"]
    with pytest.raises(ValueError, match="`cut_z`: Field required"):
        SeamAudit.from_json(json.dumps(audit).encode())
