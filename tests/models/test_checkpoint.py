"""Files of checkpoints: found by name, written whole, refused when of another tool."""

import pytest
import torch
from safetensors.torch import save_file

from nucwsi.errors import CheckpointError
from nucwsi.models.card import read_card


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(CheckpointError, match="no such file, and not bundled"):
        read_card("nonsense")


@pytest.mark.parametrize("content", [b"", b"x" * 50, b"\xff" * 50, b"version https://git-lfs"])
def test_what_is_no_safetensors_file_is_refused(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.safetensors"):
        read_card(str(path))


def test_a_file_of_another_tool_is_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match="no nucwsi description"):
        read_card(str(path))
