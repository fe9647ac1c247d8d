"""The paragraph of methods says what was done, and nothing that was not."""

from dataclasses import replace

from cohort_made import CLASSES, cohort

from nucwsi.facts import Member
from nucwsi.report.group_section import group_section
from nucwsi.report.methods import methods_paragraph
from nucwsi.report.run import FailedSlide, Run

RUN = Run("2026-01-31", "1.2", (Member(name="m", checksum="ab" * 16),), 1, 0.35, {"numpy": "2"}, [])


def test_members_versions_and_resolution_are_named():
    text = methods_paragraph(RUN, 3, ())
    for part in ("3 slides were", "nucwsi 1.2", "0.35 µm", "m (SHA-256 abababababab)", "numpy 2"):
        assert part in text
    assert "bootstrap" not in text
    assert "could not" not in text
    assert methods_paragraph(RUN, 1, ()).startswith("One slide was")


def test_slides_with_nuclei_of_other_programs_are_named():
    mixed = methods_paragraph(replace(RUN, imported=("b", "c")), 3, ())
    assert "by the network m" in mixed
    assert "Nuclei of b, c were found by other programs." in mixed
    alone = methods_paragraph(replace(RUN, imported=tuple("abcdefg")), 7, ())
    assert "the network" not in alone
    assert "Nuclei of a, b, c, d, e and 2 more were found by other programs." in alone


def test_what_was_compared_and_what_failed_is_named():
    failed = (FailedSlide("a", "r", "l"), FailedSlide("a", "r", "l"))
    for pair, words in (("", "permuting patients"), ("patient", "within each patient")):
        section = group_section(cohort(), CLASSES, "group", "patient", pair)
        text = methods_paragraph(replace(RUN, failed=failed, views=4), 13, [section])
        assert words in text
        assert "group: before, after" in text
        assert "9,999 bootstrap samples of patients" in text
        assert "1 more could not be analysed" in text
        assert "averaged over 4 views" in text
