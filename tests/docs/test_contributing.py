"""CONTRIBUTING.md shows the tree and the layers as they are."""

import re
import tomllib

import pytest
from conftest import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def section(title):
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_tree_names_every_module_and_folder_of_the_package():
    tree = section("Where things are").split("```")[1]
    named = re.findall(r"^  (\S+)  ", tree, re.MULTILINE)
    present = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "nucwsi").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert sorted(named) == sorted(present - {"__init__.py"})


def test_the_tree_names_folders_that_exist():
    tree = section("Where things are").split("```")[1]
    for name in re.findall(r"^(\w+)/ ", tree, re.MULTILINE):
        assert (ROOT / name).is_dir(), name


def test_the_table_of_layers_is_that_of_the_contract():
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+`) \|", section("Layers"), re.MULTILINE)
    written = [set(re.findall(r"`(\w+)`", row)) for row in rows]
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contract = declared["tool"]["importlinter"]["contracts"][0]
    assert contract["type"] == "layers"
    assert written == [
        {name.strip().removeprefix("nucwsi.") for name in layer.split("|")}
        for layer in contract["layers"]
    ]


@pytest.mark.parametrize("name", re.findall(r"\| \[(nucwsi/\S+)\]", TEXT))
def test_a_question_is_answered_by_a_file_that_exists(name):
    assert (ROOT / name).exists()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("nucwsi/io/slides/slide.py", "OPENERS"),
        ("nucwsi/models/architectures.py", "ARCHITECTURES"),
        ("nucwsi/io/datasets/__init__.py", "READERS"),
    ],
)
def test_what_a_newcomer_extends_is_where_the_page_says(path, name):
    assert name in (ROOT / path).read_text("utf-8")
