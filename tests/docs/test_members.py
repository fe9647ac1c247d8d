"""The commands and the Python of docs/members.md run, and its tables name what is true."""

import re

import pytest
import torch
from commands import succeeded
from conftest import ROOT
from networks_made import published_weights

from nucwsi.models import hovernet
from nucwsi.models.card import read_card
from nucwsi.models.hovernet import FORMS, HoVerNet

PAGE = (ROOT / "docs" / "members.md").read_text("utf-8")


def blocks(section, language):
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where HoVer-Net's files lie, with an eighth of their channels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hovernet, "WIDTHS", (8, 16, 32, 64))
    monkeypatch.setattr(hovernet, "GROWTH", 4)
    return tmp_path


#: Words in the names of files -> form and number of classes.
FILES = {
    "fast_pannuke": ("hovernet_fast", 5),
    "fast_monusac": ("hovernet_fast", 4),
    "original_consep_type": ("hovernet_original", 4),
    "original_kumar": ("hovernet_original_untyped", 1),
    "original_consep_notype": ("hovernet_original_untyped", 1),
}


def test_the_classes_of_hovernets_files_are_those_of_the_table(folder):
    rows = re.findall(r"^\| `(hovernet_\S+)`.*? \| (.*?) \|", PAGE, re.MULTILINE)
    assert len(rows) == 5
    for name, classes in rows:
        (made,) = (value for words, value in FILES.items() if words in name)
        weights = published_weights(HoVerNet(FORMS[made[0]], made[1])).state_dict()
        torch.save({"desc": weights}, folder / name)
        card = read_card(name)
        named = re.sub(r" \(.*?\)|: .*", "", classes).split(", ")
        assert (list(card.classes), card.mpp) == (named, 0.25)


def run(line):
    program, *words = line.split()
    assert program == "nucwsi"
    return succeeded(*words)


def test_hovernets_commands_run(folder):
    weights = published_weights(HoVerNet(FORMS["hovernet_original"], 4)).state_dict()
    torch.save(weights, folder / "hovernet_original-consep.pth")
    for block in blocks("HoVer-Net", "sh"):
        run(block)
    card = read_card("hovernet_original-consep.pth")
    assert card.classes == ("epithelial", "inflammatory", "spindle", "miscellaneous")


def test_a_network_is_exported_and_adopted_as_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (python,), (shell,) = blocks("Exported networks", "python"), blocks("Exported networks", "sh")
    exec(compile(python, "members.md", "exec"), {})  # noqa: S102 (as the reader does)
    assert capsys.readouterr().out == "mine.pt2\n"
    run(shell)
    assert read_card("mine.pt2").exported.receptive_radius_px == 282


def test_every_option_of_adopt_is_documented():
    from nucwsi.cli.tools import adopt

    options = {word for parameter in adopt.params for word in parameter.opts if word[0] == "-"}
    assert {option for option in options if f"`{option}`" not in PAGE} == {"--name"}
