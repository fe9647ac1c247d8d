"""Which slides are fetched, by which plug-in, and what is said where it is missing."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from nucwsi.config import Config
from nucwsi.errors import ConfigError
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.workflow.fingerprints import slide_fingerprints
from nucwsi.workflow.plan import DEMO_SLIDE
from nucwsi.workflow.staging import staged_slides


@pytest.fixture
def slides(tmp_path):
    """Slides in three kinds of storage, on a disk, archived, and the demo's."""
    (tmp_path / "a.svs").write_bytes(b"slide")
    paths = {
        "s3": "s3://b/k.svs",
        "gs": "gs://b/k.svs",
        "web": "https://h/k.svs",
        "disk": tmp_path / "a.svs",
        "gone": tmp_path / "gone.svs",
        "demo": DEMO_SLIDE,
    }
    return {name: SlideEntry(name, Path(path)) for name, path in paths.items()}


@pytest.fixture
def installed(monkeypatch):
    """Pretend that plug-ins are installed."""

    def pretend(*plugins):
        found = {f"snakemake_storage_plugin_{name}" for name in plugins}
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: (name in found) or None)
        monkeypatch.setattr(shutil, "which", lambda name: name if name in plugins else None)

    return pretend


def test_each_address_has_its_plugin_and_local_files_are_read_where_they_lie(slides, installed):
    installed("s3", "gcs", "http")
    assert staged_slides(Config(), slides) == {
        "s3": ("s3", "s3://b/k.svs"),
        "gs": ("gcs", "gs://b/k.svs"),
        "web": ("http", "https://h/k.svs"),
    }


def test_slides_of_a_slow_disk_are_copied_on_request_if_they_are_there(slides, installed):
    installed("s3", "gcs", "http", "fs", "rsync")
    staged = staged_slides(Config(stage=True), slides)
    assert staged["disk"] == ("fs", str(slides["disk"].path))
    assert not {"gone", "demo"} & set(staged)


def test_a_plugin_that_is_missing_is_named(slides, installed):
    installed("gcs", "http")
    with pytest.raises(ConfigError, match=r"slide 's3': s3://b/k\.svs needs snakemake-storage-"):
        staged_slides(Config(), slides)


def test_the_program_that_copies_is_named_where_it_is_missing(slides, installed):
    installed("fs")
    with pytest.raises(ConfigError, match="`stage`: slides are copied with rsync"):
        staged_slides(Config(stage=True), {"disk": slides["disk"]})


def test_without_storage_no_plugin_is_needed(slides, installed):
    installed()
    assert staged_slides(Config(), {"disk": slides["disk"]}) == {}


def test_a_slide_of_many_files_is_not_copied(tmp_path, installed):
    installed("fs")
    path = tmp_path / "a.mrxs"
    path.touch()
    with pytest.raises(ConfigError, match="one of several files"):
        staged_slides(Config(stage=True), {"a": SlideEntry("a", path)})


def test_no_slide_that_is_fetched_is_read_for_its_fingerprint(slides, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a slide was read")

    monkeypatch.setattr("nucwsi.workflow.fingerprints.file_checksum", refuse)
    made = frozenset({DEMO_SLIDE})
    found = slide_fingerprints(slides, tmp_path / "results", made, stage=True)
    assert found["s3"] == "s3://b/k.svs"
    assert found["disk"].startswith("5-")
