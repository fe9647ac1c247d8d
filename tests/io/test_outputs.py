"""No command writes over what it reads."""

import os

import pytest

from nucwsi.errors import ConfigError, StoreError
from nucwsi.io.outputs import check_outputs


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.csv").write_text("a")
    (tmp_path / "link.csv").symlink_to("folder/a.csv")
    (tmp_path / "linked").symlink_to("folder")
    os.link(tmp_path / "folder" / "a.csv", tmp_path / "hard.csv")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["folder/a.csv", "folder/../folder/a.csv", "link.csv", "hard.csv", "linked/a.csv"],
)
def test_an_output_that_is_an_input_is_refused(inputs, name):
    with pytest.raises(ConfigError, match=r"a\.csv|link|hard.* is also read .*would be lost"):
        check_outputs([inputs / name], [inputs / "folder" / "a.csv"])


def test_relative_and_absolute_paths_are_compared(inputs, monkeypatch):
    monkeypatch.chdir(inputs)
    with pytest.raises(ConfigError, match="is also read"):
        check_outputs([inputs / "new.csv"], [inputs.joinpath("new.csv").relative_to(inputs)])


@pytest.mark.parametrize("name", ["folder/new.csv", "linked/new.csv", "folder/deep/new.csv"])
def test_an_output_in_a_folder_that_is_read_is_refused(inputs, name):
    with pytest.raises(ConfigError, match=r"lies in .*, which is read"):
        check_outputs([inputs / name], [], within=[inputs / "folder"])


def test_the_parts_of_a_mirax_slide_are_inputs(tmp_path):
    (tmp_path / "s").mkdir()
    with pytest.raises(ConfigError, match="lies in"):
        check_outputs([tmp_path / "s" / "Data0000.dat"], [tmp_path / "s.mrxs"])


def test_two_outputs_are_two_files(tmp_path):
    with pytest.raises(ConfigError, match="is to be written twice"):
        check_outputs([tmp_path / "a", None, tmp_path / "b" / ".." / "a"], [])


def test_a_folder_is_no_file_to_write(inputs):
    with pytest.raises(StoreError, match="cannot be written: Is a directory; name a file in it"):
        check_outputs([inputs / "folder"], [])


def test_a_folder_that_holds_an_input_is_not_replaced(inputs):
    with pytest.raises(ConfigError, match=r"holds .*a\.csv, which is read"):
        check_outputs([inputs / "folder"], [inputs / "folder" / "a.csv"], folder=True)


def test_what_has_nothing_to_do_with_an_input_is_written(inputs):
    (inputs / "circle").symlink_to("circle")
    check_outputs(
        [inputs / "new.csv", inputs / "other" / "b.csv", inputs / "circle", None],
        [inputs / "folder" / "a.csv", inputs / "folder" / "absent.csv", None],
        within=[inputs / "folder", inputs / "hard.csv", inputs / "absent"],
    )


def test_a_folder_where_a_file_is_expected_is_left_to_who_reads_it(inputs):
    check_outputs([inputs / "folder" / "b.csv"], [inputs / "folder"])
