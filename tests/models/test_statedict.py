"""The authors' checkpoints are recognised by names and shapes alone."""

import zipfile
from pathlib import Path

import pytest
import torch

from nucwsi.errors import CheckpointError
from nucwsi.models.card import read_card
from nucwsi.models.checkpoint import save_checkpoint
from nucwsi.models.loading import load_network
from nucwsi.models.seresnext import BLOCKS, SEResNeXt
from nucwsi.nuclei.constants import PostProcessing


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


#: How the older format of `torch.save` begins.
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def scripted(path):
    """Write a file that looks like a program of TorchScript."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p/constants.pkl", b"\x80\x02).")
        archive.writestr("p/data.pkl", b"\x80\x02).")
        archive.writestr("p/version", b"3")


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
            r"distinguishes 3 classes, expected one of 6 \(conic\), 5 \(pannuke\), 4",
        ),
        (lambda path: torch.save({"a": torch.ones(1)}, path), "none of the authors' seresnext50"),
        (lambda path: torch.save({"epoch": 3}, path), "more than the weights"),
        (lambda path: torch.save(torch.nn.Linear(2, 2), path), "cannot be read as a plain"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + b"x" * 90), "cannot be read as a plain"),
        (
            lambda path: path.write_bytes(LEGACY + b"\x80\x02M\xe9\x03."),
            "cannot be read as a plain",
        ),
        (lambda path: path.write_bytes(LEGACY + b"]" * 60_000), "cannot be read as a plain"),
        (lambda path: path.write_bytes(LEGACY + b"0" * 90), "cannot be read as a plain"),
        (lambda path: torch.save(Path("x"), path), "cannot be read as a plain"),
        (lambda path: torch.save([torch.ones(1)], path), "more than the weights"),
        (lambda path: torch.save({"a": torch.eye(2).to_sparse()}, path), "more than the weights"),
        (
            lambda path: torch.save({"decoder.tp.2.weight": torch.ones(())}, path),
            "none of the auth",
        ),
        (scripted, "cannot be read as a plain"),
    ],
)
def test_another_torch_file_is_refused(tmp_path, write, message):
    path = tmp_path / "p.pth"
    write(path)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_card(str(path))
    assert "\n" not in str(caught.value)
    # What torch says of such files names ways to run the code in them.
    assert "weights_only" not in str(caught.value)
    assert "trust" not in str(caught.value)


@pytest.mark.usefixtures("shallow")
def test_a_truncated_published_file_is_refused(tmp_path):
    path = tmp_path / "p.pth"
    published(path)
    path.write_bytes(path.read_bytes()[:-100_000])
    with pytest.raises(CheckpointError, match=r"p\.pth: cannot be read as a plain state_dict"):
        read_card(str(path))
