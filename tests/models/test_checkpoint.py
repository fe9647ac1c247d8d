"""Files of checkpoints: found by name, written whole, refused when of another tool."""

import json
import os
import struct
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from networks_made import rewritten
from safetensors.torch import save_file

from nucwsi.errors import CheckpointError
from nucwsi.models.card import read_card
from nucwsi.models.checkpoint import (
    checksum_of,
    find_checkpoint,
    is_own_checkpoint,
    read_description,
    read_weights,
    save_checkpoint,
    save_description,
)
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.domain import Domain
from nucwsi.nuclei.miscount import Miscount

DESCRIPTION = {
    "name": "m",
    "widths": [4, 6],
    "classes": ["x"],
    "mpp": 0.5,
    "halo_px": 8,
    "post_processing": asdict(PostProcessing(0.5, 0.1, 1.0, {"x": 5.0})),
    "about": {},
}


def safetensors(header, weights=b""):
    """The bytes of a file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + weights


def header_of(description):
    text = description if isinstance(description, str) else json.dumps(description)
    return {"__metadata__": {"nucwsi": text}}


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
    save_checkpoint(path, weights, {**DESCRIPTION, "post_processing": constants})
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


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (
        (tmp_path, "is a folder"),
        ("", "is a folder"),
        (tmp_path / "pipe", "is neither a file nor a folder"),
        ("a\0b", "cannot be opened"),
        ("x" * 5000, "cannot be opened"),
        (tmp_path / "none", "no such file"),
        (f"http://[x/y#sha256={'0' * 64}", "expected the http or https URL"),
    ):
        with pytest.raises(CheckpointError, match=reason) as caught:
            find_checkpoint(str(name))
        assert len(str(caught.value)) < 400


def test_a_file_that_may_not_be_read_is_refused(member, monkeypatch):
    def locked(path, *args):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", locked)
    with pytest.raises(CheckpointError, match=r"member\.safetensors: .*Permission denied; correct"):
        read_card(str(member))


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (safetensors(b"{}"), "no nucwsi description"),
        (safetensors(b"[]"), "lists no tensors"),
        (safetensors(b"33"), "lists no tensors"),
        (safetensors(b"{{"), "its header is no JSON"),
        (safetensors(b"\xff\xfe"), "its header is no JSON"),
        (safetensors(DEEP.encode()), "its header is nested too deep"),
        (safetensors({"a": 3}), "lists no tensors"),
        (safetensors({"a": {"data_offsets": [0, "x"]}}), "lists no tensors"),
        (safetensors({"__metadata__": 3}), "no nucwsi description"),
        (safetensors({"__metadata__": {"nucwsi": {}}}), "its description is no JSON"),
        (safetensors(header_of("{")), "its description is no JSON"),
        (safetensors(header_of("9" * 5000)), "its description is no JSON"),
        (safetensors(header_of(DEEP)), "its description is nested too deep"),
        (safetensors(header_of([])), r"must be an object, got \[\]"),
        (safetensors(header_of(None)), "must be an object, got None"),
        (safetensors(header_of({"format": "other"})), "is 'other' version None, expected"),
        (
            safetensors(header_of({"format": "nucwsi-checkpoint", "version": 99})),
            "is 'nucwsi-checkpoint' version 99, expected .* version 1 or 2; use a matching nucwsi",
        ),
        (safetensors(header_of({}), b"beyond"), "they take 6 bytes, expected 0"),
        (safetensors({"a": {"data_offsets": [0, 9]}}, b"short"), "they take 5 bytes, expected 9"),
        (safetensors({"about": "x" * (17 << 20)}), "is not a safetensors file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_a_damaged_header_is_told_in_one_line(tmp_path, content, message):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_card(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 400


def test_megabytes_about_a_checkpoint_are_read(tmp_path):
    path = tmp_path / "m.safetensors"
    about = {"notes": "x" * (4 << 20)}
    save_checkpoint(path, {"a": torch.ones(1)}, {**DESCRIPTION, "about": about})
    assert read_card(str(path)).about == about


@pytest.mark.parametrize("end", [1, 7, 8, 9, 200, 1000, -1])
def test_a_truncated_file_is_refused_when_its_card_is_read(member, end):
    member.write_bytes(member.read_bytes()[:end])
    with pytest.raises(CheckpointError, match=r"member\.safetensors: "):
        read_card(str(member))


@pytest.mark.parametrize(
    ("weights", "change", "message"),
    [
        ([1.0, float("nan")], {}, "`a` is not finite"),
        ([1.0, 70_000.0], {}, "`a` is not finite in float16"),
        ([1.0, 2.0], {"mpp": 0}, "`mpp`"),
        ([1.0, 2.0], {"post_processing": None}, "`post_processing`"),
    ],
)
def test_a_checkpoint_that_could_not_be_read_is_not_written(tmp_path, weights, change, message):
    path = tmp_path / "m.safetensors"
    with pytest.raises(CheckpointError, match=message):
        save_checkpoint(path, {"a": torch.tensor(weights)}, {**DESCRIPTION, **change})
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_format_1_is_read_and_knows_its_shares(member):
    older = rewritten(member, lambda d: d.update(version=1, count_error={"other": 0.1}))
    card = read_card(older)
    assert (card.count_error, card.miscount, card.domain) == ({"other": 0.1}, None, None)


def test_another_description_leaves_the_weights_as_they_are(member, tmp_path):
    path, description = tmp_path / "new.safetensors", read_description(member)
    assert is_own_checkpoint(member)
    unit = tuple(tuple(float(row == column) for column in range(6)) for row in range(6))
    known = {"miscount": Miscount(0.5, 0.1, {}), "domain": Domain((0.0,) * 6, unit, 3.0)}
    save_description(member, path, {**description, "version": 1, **known})
    card = read_card(str(path))
    assert read_description(path)["version"] == 2
    assert (card.miscount, card.domain) == (known["miscount"], known["domain"])
    before, after = read_weights(member), read_weights(path)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    # Nothing but the header differs, and tensors begin where the format wants them to.
    sizes = [struct.unpack("<Q", each.read_bytes()[:8])[0] for each in (member, path)]
    assert sizes[1] % 8 == 0
    bodies = [
        each.read_bytes()[8 + size :] for each, size in zip((member, path), sizes, strict=True)
    ]
    assert bodies[0] == bodies[1]
    with pytest.raises(CheckpointError, match="`name`"):
        save_description(member, path, {**description, "name": 7})
