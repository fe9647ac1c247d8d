"""Checkpoints: read without torch, refused unless they are whole and make sense."""

import json
import struct
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from stores import CLASSES, write_member

from nucwsi.errors import CheckpointError
from nucwsi.models.checkpoint import load_network, read_card, read_cards, save_checkpoint
from nucwsi.models.seresnext import BLOCKS, SEResNeXt
from nucwsi.nuclei.constants import PostProcessing


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
        (lambda d: d.pop("widths"), "lacks 'widths'"),
        (lambda d: d.update(architecture="resnet"), "is a 'resnet', expected one of unet, lite"),
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


def test_a_card_is_read_without_torch(member):
    code = (
        "import sys; from nucwsi.models.checkpoint import read_card;"
        "card = read_card(sys.argv[1]); print(card.architecture, card.local);"
        "sys.exit('torch' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, member], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "unet True\n"


@pytest.fixture
def shallow(monkeypatch):
    """Published names and shapes, with fewer bottlenecks: 50 MB less a file."""
    monkeypatch.setitem(BLOCKS, "seresnext50", (1, 1, 1, 1))
    monkeypatch.setitem(BLOCKS, "seresnext101", (1, 1, 2, 1))


def published(path, name="seresnext50", n_classes=6, prefix="", **options):
    """Write a checkpoint as the authors do; return its network too."""
    torch.manual_seed(4)
    network = SEResNeXt(BLOCKS[name], n_classes).eval()
    weights = {prefix + key: value for key, value in network.state_dict().items()}
    torch.save(weights, path, **options)
    return str(path), network


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", ["seresnext50", "seresnext101"])
@pytest.mark.parametrize(
    ("prefix", "options"), [("module.", {}), ("", {"_use_new_zipfile_serialization": False})]
)
def test_a_published_file_is_a_member(tmp_path, name, prefix, options):
    path, network = published(tmp_path / "epoch49.pth", name, prefix=prefix, **options)
    card = read_card(path)
    assert (card.name, card.architecture, card.local, card.mpp) == ("epoch49", name, False, 0.5)
    assert card.halo_px >= network.receptive_radius_px
    image = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        for one, other in zip(network(image), load_network(card)(image), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(
    ("classes", "mpp"),
    [
        (("neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective"), 0.5),
        (("neoplastic", "inflammatory", "connective", "dead", "epithelial"), 0.25),
        (("epithelial", "lymphocyte", "neutrophil", "macrophage"), 0.25),
    ],
)
def test_the_number_of_types_tells_the_classes(tmp_path, classes, mpp):
    card = read_card(published(tmp_path / "p.pth", n_classes=len(classes))[0])
    assert (card.classes, card.mpp) == (classes, mpp)
    assert tuple(card.post_processing.min_area_um2) == classes


@pytest.mark.usefixtures("shallow")
def test_a_published_network_can_become_a_checkpoint_with_a_card(tmp_path):
    _, network = published(tmp_path / "p.pth", n_classes=2)
    path = tmp_path / "p.safetensors"
    description = {
        "name": "ours",
        "architecture": "seresnext50",
        "classes": ["tumour", "other"],
        "mpp": 0.25,
        "halo_px": 72,
        "post_processing": PostProcessing(0.5, 0.1, 1.0, {"tumour": 5.0, "other": 5.0}),
        "about": {},
    }
    save_checkpoint(path, network.state_dict(), description)
    card = read_card(str(path))
    assert (card.architecture, card.local, card.widths, card.mpp) == (
        "seresnext50",
        False,
        (),
        0.25,
    )
    image = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        for one, other in zip(network(image), load_network(card)(image), strict=True):
            torch.testing.assert_close(one, other, atol=1e-2, rtol=1e-2)


def changed_weights(change):
    """Return a function that writes published weights with one change."""

    def write(path):
        weights = SEResNeXt(BLOCKS["seresnext50"], 6).state_dict()
        change(weights)
        torch.save(weights, path)

    return write


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            changed_weights(lambda w: w.pop("u1.0.weight")),
            r"no seresnext50 as published: it lacks `u1\.0\.weight` \(1 differences",
        ),
        (changed_weights(lambda w: w.update(extra=torch.ones(1))), "has an unknown `extra`"),
        (
            changed_weights(lambda w: w.update({"u1.0.weight": torch.ones(64, 256, 1, 1)})),
            r"has `u1\.0\.weight` of \(64, 256, 1, 1\), expected \(64, 256, 3, 3\)",
        ),
        (
            changed_weights(lambda w: w.update({"decoder.tp.2.weight": torch.ones(4, 64, 1, 1)})),
            r"3 classes apart, expected one of 6 \(conic\), 5 \(pannuke\), 4",
        ),
        (lambda path: torch.save({"a": torch.ones(1)}, path), "none of the authors' seresnext50"),
        (lambda path: torch.save({"epoch": 3}, path), "more than the weights"),
        (lambda path: torch.save(torch.nn.Linear(2, 2), path), "cannot be read as a plain"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + b"x" * 90), "cannot be read as a plain"),
    ],
)
def test_another_torch_file_is_refused(tmp_path, write, message):
    path = tmp_path / "p.pth"
    write(path)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_card(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("shallow")
def test_a_truncated_published_file_is_refused(tmp_path):
    path = tmp_path / "p.pth"
    published(path)
    path.write_bytes(path.read_bytes()[:-100_000])
    with pytest.raises(CheckpointError, match=r"p\.pth: cannot be read as a plain state_dict"):
        read_card(str(path))
