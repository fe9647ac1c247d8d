"""Fingerprints of slides: a replaced file has another, a touched or archived one keeps its own."""

import os
from pathlib import Path

import pytest

from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.workflow import fingerprints as module
from nucwsi.workflow.fingerprints import slide_fingerprints


@pytest.fixture
def of(tmp_path):
    """Fingerprint one slide, as each plan does."""
    path = tmp_path / "a.svs"

    def fingerprint(made=frozenset()):
        return slide_fingerprints({"a": SlideEntry("a", path)}, tmp_path / "results", made)["a"]

    fingerprint.path = path
    return fingerprint


def test_a_touched_slide_keeps_its_fingerprint(of):
    of.path.write_bytes(b"slide")
    before = of()
    os.utime(of.path, (1, 1))
    assert of() == before


@pytest.mark.parametrize("other", [b"slidE", b"slide and more"])
def test_a_slide_replaced_under_its_name_has_another(of, other):
    of.path.write_bytes(b"slide")
    before = of()
    of.path.unlink()
    of.path.write_bytes(other)
    os.utime(of.path, (2, 2))
    assert of() != before


def test_a_slide_of_the_same_size_and_time_moved_in_its_place_is_noticed(of, tmp_path):
    of.path.write_bytes(b"slide")
    os.utime(of.path, (1, 1))
    before = of()
    other = tmp_path / "other"
    other.write_bytes(b"SLIDE")
    os.utime(other, (1, 1))
    other.replace(of.path)
    assert of() != before


def test_an_archived_slide_keeps_its_fingerprint(of):
    of.path.write_bytes(b"slide")
    before = of()
    of.path.unlink()
    assert of() == before != ""


def test_a_file_is_read_once_as_long_as_it_does_not_change(of, monkeypatch):
    of.path.write_bytes(b"slide")
    before = of()
    monkeypatch.setattr(module, "file_checksum", lambda *_, **__: pytest.fail("was read again"))
    assert of() == before


def test_damaged_notes_cost_a_reading_and_no_more(of, tmp_path):
    of.path.write_bytes(b"slide")
    before = of()
    for torn in ("{", "[1]", f'{{"{of.path}": 3}}', "[" * 100_000):
        (tmp_path / "results/.fingerprints.json").write_text(torn)
        assert of() == before


def test_what_the_workflow_makes_itself_is_snakemakes_business(of, tmp_path):
    of.path.write_bytes(b"slide")
    assert of(frozenset({of.path})) == ""
    assert not Path(tmp_path / "results").exists()
