"""Names that Snakemake takes for numbers are told apart by how they were written."""

import datetime as dt

import pytest

from nucwsi.errors import ConfigError
from nucwsi.workflow.written import check_names


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026_11_23", 20261123),
        ("007", 7),
        ("1.10", 1.1),
        ("1e5", 100000.0),
        ("+5", 5),
        ("true", True),
        ("0x10", 16),
        ("1e400", float("inf")),
    ],
)
@pytest.mark.parametrize("key", ["output", "slides", "members"])
def test_a_name_that_was_changed_is_refused_wherever_it_was_written(tmp_path, key, written, read):
    file = tmp_path / "config.yaml"
    file.write_text(f"{key}: {written}\nother: 1\n")
    for arguments, files in (
        (["-c1", "--config", "a=1", f"{key}={written}"], []),
        ([f"{key}=x", f"{key}={written}"], [tmp_path / "none.yaml"]),
        (["--cores", "all"], [file]),
    ):
        with pytest.raises(ConfigError) as caught:
            check_names({key: read}, arguments, files)
        assert f"`{key}`: {written} is read as {read!r}; write ./{written}" in str(caught.value)


def test_a_name_that_kept_its_letters_is_fine(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("output: 20240101\nslides: 2026-11-23\n")
    check_names({"output": 20240101}, ["output=20240101"], [])
    check_names({"output": 20240101, "slides": dt.date(2026, 11, 23)}, [], [file])
    check_names({"output": "007", "members": ["1"], "slides": None}, ["output=007"], [])


def test_the_command_line_overrules_files_and_a_later_file_an_earlier_one(tmp_path):
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("output: 007")
    second.write_text("output: 7")
    check_names({"output": 7}, [], [first, second])
    check_names({"output": 7}, ["output=7"], [second, first])
    with pytest.raises(ConfigError, match="007 is read as 7"):
        check_names({"output": 7}, [], [second, first])


@pytest.mark.parametrize("content", [b"", b"- 1", b"output: [1", b"output: {a: 1}", b"\xff"])
def test_a_file_that_says_nothing_of_it_decides_nothing(tmp_path, content):
    (tmp_path / "c.yaml").write_bytes(content)
    check_names({"output": 7}, [], [tmp_path / "c.yaml"])
