"""Where a slide lies: where it was named, else where its results say."""

import json

import numpy as np
import pytest
from shown import phantom_nuclei, write_results

from nucwsi.io.nuclei.parquet import read_facts
from nucwsi.steps.teach.labels import SlideLabels
from nucwsi.steps.teach.slides import slide_of


@pytest.fixture
def labels(small_slide, tmp_path):
    nuclei = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=5))
    nuclei = nuclei / "nuclei.parquet"
    return SlideLabels(nuclei, read_facts(nuclei), np.arange(5), np.array(["a"] * 5, object))


def note(labels, content):
    labels.nuclei.with_name("provenance.json").write_text(content)


def test_the_slide_that_was_named_is_found_by_what_it_holds(labels, small_slide, tmp_path):
    other, renamed = tmp_path / "other.tiff", tmp_path / "renamed.tiff"
    other.write_bytes(b"II*\0" + bytes(100))
    renamed.write_bytes(small_slide.read_bytes())
    assert slide_of(labels, [tmp_path / "gone.svs", other, renamed]) == renamed


def test_else_it_is_where_its_results_say(labels, small_slide):
    note(labels, json.dumps({"slide": {"path": str(small_slide)}}))
    assert slide_of(labels, []) == small_slide


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"slide": {"path": null}}', '{"slide": 1}'])
def test_where_nobody_says_it_is_nowhere(labels, content):
    assert slide_of(labels, []) is None
    note(labels, content)
    assert slide_of(labels, []) is None


def test_a_slide_that_is_gone_is_nowhere(labels, tmp_path):
    note(labels, json.dumps({"slide": {"path": str(tmp_path / "gone.svs")}}))
    assert slide_of(labels, []) is None
