"""Commands of training: they pass names and parts on to their steps."""

import pytest
from commands import run

from nucwsi.cli.training import LAYOUTS, REVIEW
from nucwsi.config import TrainSettings
from nucwsi.io.datasets import READERS
from nucwsi.steps import data


def test_every_layout_has_a_reader():
    assert tuple(READERS) == LAYOUTS
    assert REVIEW == data.REVIEW


def test_parts_of_a_publication_are_assigned_to_splits(monkeypatch):
    from nucwsi.steps import data as module

    seen = []
    monkeypatch.setattr(
        module, "import_data", lambda *args, mpp, parts, **_: seen.append((args[0], mpp, parts))
    )
    words = ("--part", "fold1=train", "--part", "fold2=test", "--mpp", "0.25")
    result = run("data", "import", "folder", "-o", "out", "--from", "pannuke", *words)
    assert result.exit_code == 0, result.output
    assert seen == [("pannuke", 0.25, {"fold1": "train", "fold2": "test"})]


@pytest.mark.parametrize(("words", "name"), [((), "mine"), (("--name", "other"), "other")])
def test_a_member_is_called_like_its_file_unless_it_is_named(monkeypatch, words, name):
    from nucwsi.steps import train as module

    seen = []
    monkeypatch.setattr(
        module, "train", lambda data, output, settings, **more: seen.append((settings, more))
    )
    words = ("train", "data", "-o", "a/mine.safetensors", "--widths", "8,16", *words)
    assert run(*words).exit_code == 0
    assert seen == [(TrainSettings(widths=(8, 16)), {"name": name, "device": "auto", "threads": 1})]


def test_an_architecture_that_cannot_be_trained_is_refused_before_images_are_read():
    result = run("train", "nowhere", "-o", "m.safetensors", "--architecture", "seresnext50")
    assert result.exit_code == 2
    assert "`architecture` is 'seresnext50'; expected one of unet, lite2" in result.output
