"""Only files are opened."""

import os

import pytest

from nucwsi.io.inputs import check_file


def test_a_file_is_read_and_what_is_none_is_told(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("none")
    os.mkfifo(tmp_path / "pipe")
    check_file(tmp_path / "file")
    check_file(tmp_path / "link")
    for name in ("none", "dangling"):
        with pytest.raises(FileNotFoundError):
            check_file(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        check_file(tmp_path)
    with pytest.raises(ValueError, match="is a pipe or a device, expected a file"):
        check_file(tmp_path / "pipe")
