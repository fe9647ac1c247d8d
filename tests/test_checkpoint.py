"""Checkpoints: read without torch, refused unless they are whole and make sense."""

import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file
from stores import CLASSES, write_member

from nucwsi.errors import CheckpointError
from nucwsi.models.checkpoint import load_network, read_card, read_cards


@pytest.fixture
def member(tmp_path):
    return write_member(tmp_path / "member.safetensors")


def rewritten(member, change):
    """Write the member again with a changed description."""
    with member.open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    described = json.loads(header["__metadata__"]["nucwsi"])
    change(described)
    save_file(load_file(member), member, metadata={"nucwsi": json.dumps(described)})
    return str(member)


def test_the_card_says_what_was_saved(member):
    card = read_card(str(member))
    assert (card.name, card.classes, card.mpp, card.halo_px) == ("member", CLASSES, 0.5, 32)
    network = load_network(card)
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 16, 16)).tp_map.shape == (1, 4, 16, 16)


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


def test_a_truncated_file_is_refused(member):
    member.write_bytes(member.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="weights cannot be used"):
        load_network(read_card(str(member)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=99), "version 99, expected"),
        (lambda d: d.update(format="other"), "expected nucwsi-checkpoint"),
        (lambda d: d.pop("classes"), "lacks 'classes'"),
        (lambda d: d.update(classes=["a", "b", "c", "d"]), "must be the same"),
        (lambda d: d.update(classes=["epithelial"] * 4), "each named once"),
        (lambda d: d.update(mpp=0), "impossible"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(member, change, message):
    with pytest.raises(CheckpointError, match=message):
        read_card(rewritten(member, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(halo_px=16), "not below the receptive radius of 23 px"),
        (lambda d: d.update(halo_px=30), "must be a multiple of 4"),
        (lambda d: d.update(widths=[4, 6, 9]), "weights cannot be used"),
    ],
)
def test_weights_that_do_not_fit_are_refused(member, change, message):
    with pytest.raises(CheckpointError, match=message):
        load_network(read_card(rewritten(member, change)))


def test_weights_that_are_not_finite_are_refused(member):
    weights = load_file(member)
    weights["heads.bias"][0] = float("nan")
    with member.open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    save_file(weights, member, metadata=header["__metadata__"])
    with pytest.raises(CheckpointError, match="not finite"):
        load_network(read_card(str(member)))


def test_members_of_an_ensemble_share_mpp(member, tmp_path):
    other = write_member(tmp_path / "other.safetensors", mpp=0.25)
    with pytest.raises(CheckpointError, match="must agree"):
        read_cards((str(member), str(other)))
