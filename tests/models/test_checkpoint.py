"""Files of checkpoints: found by name, written whole, refused when of another tool."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nucwsi.errors import CheckpointError
from nucwsi.models.card import read_card
from nucwsi.models.checkpoint import (
    checksum_of,
    find_checkpoint,
    read_description,
    read_weights,
    save_checkpoint,
)
from nucwsi.nuclei.constants import PostProcessing


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


def test_what_was_saved_is_read_with_its_weights_rounded_to_float16(tmp_path):
    path = tmp_path / "m.safetensors"
    weights = {"a.weight": torch.tensor([1 / 3, 2.0]), "a.batches": torch.tensor(7)}
    constants = PostProcessing(0.5, 0.1, 1.0, {"x": 5.0})
    save_checkpoint(path, weights, {"name": "m", "post_processing": constants})
    described = read_description(path)
    assert described["name"] == "m"
    assert described["post_processing"] == asdict(constants)
    read = read_weights(path)
    assert read["a.batches"] == 7
    torch.testing.assert_close(read["a.weight"], weights["a.weight"].half(), atol=0, rtol=0)
    assert path.stat().st_mode & 0o044, "others may read it"
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]


def test_the_checksum_is_the_head_of_the_sha256(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-4, example of one block.
    assert checksum_of(path) == "ba7816bf8f01cfea414140de5dae2223"


def test_bundled_names_come_before_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").touch()
    assert find_checkpoint("default").name == "default.safetensors"
    (tmp_path / "mine").touch()
    assert find_checkpoint("mine") == Path("mine")
