"""Names of slides: derived from any file, and refused where a file system or a run would not do."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucwsi.io.slides.names import file_stem, name_fault, slide_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("case-1.svs", "case-1"),
        ("a.ome.tif", "a"),
        ("case.1", "case.1"),
        ("-lead.svs", "lead"),
        ("..svs", "slide"),
        ("Müller 2.mrxs", "M_ller_2"),
        ("µ.svs", "slide"),
        ("a..svs", "a"),
        ("CON.tif", "CON_"),
        ("lpt1.x.svs", "lpt1.x_"),
        ("logs.svs", "logs_"),
        ("report.html", "report.html_"),
        ("console.svs", "console"),
    ],
)
def test_a_name_is_derived_from_a_file(file, name):
    assert slide_name(Path("folder") / file) == name


@given(st.text(alphabet="aM.-_ ~$\n'(ü", min_size=1, max_size=20))
def test_a_derived_name_is_legal_unless_it_is_too_long(stem):
    assert name_fault(slide_name(Path(f"x{stem}.svs"))) is None


def test_a_stem_keeps_what_is_no_suffix_of_a_slide():
    assert [file_stem(Path(name)) for name in ("a.svs", "a.b", "a.ome.tiff")] == [
        "a",
        "a.b",
        "a",
    ]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("case-01", None),
        ("x" * 200, None),
        ("x" * 201, "has 201 characters"),
        ("", "may hold letters"),
        ("-a", "must begin with"),
        ("a b", "may hold letters"),
        ("ä", "may hold letters"),
        ("a\n", "may hold letters"),
        ("a.", "must not end with"),
        ("Nul", "device"),
        ("com1.a", "device"),
        ("LOGS", "other results"),
        ("Composition.CSV", "other results"),
        ("report.html", "other results"),
    ],
)
def test_a_name_that_would_not_do_is_told_apart(name, fault):
    found = name_fault(name)
    assert found is None if fault is None else fault in found
