"""`nucwsi run` takes slides before ``--`` and Snakemake's words after it."""

from pathlib import Path

import pytest
from commands import refused, run, succeeded

from nucwsi.workflow import run as module


@pytest.fixture
def requests(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "run", lambda request, **_: asked.append(request) or 0)
    return asked


def test_words_after_two_dashes_are_snakemakes(requests):
    succeeded("run", "a b.svs", "c", "-o", "out", "--mpp", "0.5", "--", "-p", "--", "x=1")
    [request] = requests
    assert request.slides == (Path("a b.svs"), Path("c"))
    assert (request.results, request.mpp, request.dry) == (Path("out"), 0.5, False)
    assert request.words == ("-p", "--", "x=1")


def test_what_is_not_given_has_its_default(requests):
    succeeded("run")
    [request] = requests
    assert request == module.Request((), Path("results"), None, (), "local", False, ())


def test_options_of_the_run(requests):
    succeeded("run", "a", "-n", "--cores", "4", "--configfile", "x", "--configfile", "fast")
    [request] = requests
    assert (request.dry, request.words) == (True, ("--cores", "4"))
    assert request.configuration == ("x", "fast")


def test_it_says_where_the_snakefile_lies(requests):
    shown = succeeded("run", "--snakefile").stdout.strip()
    assert Path(shown).name == "Snakefile"
    assert Path(shown).exists()
    assert not requests


def test_the_exit_code_is_that_of_the_run(monkeypatch):
    monkeypatch.setattr(module, "run", lambda *_, **__: 130)
    assert run("run", "a").exit_code == 130


def test_a_name_that_is_not_utf8_is_refused():
    assert "its name is not UTF-8" in refused("run", "a\udcff.svs", code=2)


def test_a_slide_that_is_missing_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "none.svs is not a file" in refused("run", "none.svs", code=2)
    assert not list(tmp_path.iterdir())
