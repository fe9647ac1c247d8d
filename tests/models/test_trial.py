"""Networks of others are tried before they are believed."""

import pytest
import torch
from exports_made import CARD, CLASSES, install_package, write_onnx

from nucwsi.errors import CheckpointError
from nucwsi.models.architectures import build_network, find_architecture, offered_by
from nucwsi.models.card import read_card
from nucwsi.models.card_file import card_path, card_text
from nucwsi.models.checkpoint import save_checkpoint
from nucwsi.models.loading import load_network, load_trainable
from nucwsi.nuclei.constants import PostProcessing

CONSTANTS = PostProcessing(0.5, 0.1, 1.0, dict.fromkeys(CLASSES, 5.0))


@pytest.fixture
def package(tmp_path, monkeypatch):
    install_package(tmp_path / "site", monkeypatch)


def member(path, network, **more):
    description = {
        "name": network,
        "architecture": network,
        "classes": CLASSES,
        "mpp": 0.5,
        "halo_px": 2,
        "post_processing": CONSTANTS,
        "about": {},
        **more,
    }
    save_checkpoint(path, {"bias": torch.arange(2.0)}, description)
    return str(path)


@pytest.mark.usefixtures("package")
def test_a_package_offers_a_network_by_name(tmp_path):
    card = read_card(member(tmp_path / "m.safetensors", "box"))
    assert (card.architecture, card.package, card.local) == ("box", "box-networks", True)
    with torch.inference_mode():
        maps = load_network(card)(torch.rand(1, 3, 12, 12), 2)
    assert maps.tp_map.shape == (1, 2, 8, 8)
    assert not read_card(member(tmp_path / "w.safetensors", "wide")).local


def test_without_the_package_it_is_named(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        install_package(tmp_path / "site", patch)
        path = member(tmp_path / "m.safetensors", "box")
    with pytest.raises(
        CheckpointError,
        match=r"m\.safetensors: needs the network 'box' of the package 'box-networks', which is not"
        r" installed here or does not offer it; `pip install box-networks`",
    ):
        read_card(path)
    with pytest.raises(CheckpointError, match="`architecture`: expected one of unet"):
        member(tmp_path / "n.safetensors", "box")


@pytest.mark.usefixtures("package")
def test_names_of_packages_are_compared_as_pip_compares_them():
    for name in ("box-networks", "Box_Networks", ""):
        assert offered_by("box", name)[0] == "box-networks"
    assert offered_by("box", "box") is None


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("liar", "says that it sees 1 px far, but pixels 2 px away change its answers"),
        ("sly", r"says that it sees 2 px far, but pixels at least \d+ px away"),
        ("short", r"answers `np` of the shape \(2, 1, 93, 92\), expected \(2, 1, 95, 94\)"),
        ("blank", "answers `np` with what is not a number"),
        ("faulty", r"cannot be shown a window of 96 px \(RuntimeError: no such luck\)"),
    ],
)
def test_a_network_that_is_not_what_it_says_is_refused_by_name(tmp_path, network, message):
    card = read_card(member(tmp_path / "m.safetensors", network))
    with pytest.raises(CheckpointError, match=message) as caught:
        load_network(card)
    assert f"the network '{network}' of the package 'box-networks'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("network", "message"),
    [("other", "offers 3 as 'other'; expected an `Architecture`"), ("absent", "AttributeError")],
)
def test_a_package_that_offers_something_else_is_refused(network, message):
    with pytest.raises(CheckpointError, match=message):
        find_architecture(network, "box-networks")
    with pytest.raises(CheckpointError, match=message):
        build_network(network, (), 2, "box-networks")


def exported(tmp_path, **fields):
    path = write_onnx(tmp_path / "tiny.onnx")
    card = {**CARD, "exported": {**CARD["exported"], **fields}}
    card_path(path).write_text(card_text(card), "utf-8")
    return read_card(str(path))


def test_an_exported_network_is_loaded_by_its_card(tmp_path):
    network = load_network(exported(tmp_path))
    assert (network.stride, network.receptive_radius_px, network.local) == (1, 2, True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"receptive_radius_px": 1}, r"tiny\.onnx: says that it sees 1 px far, but pixels 2 px"),
        ({"receptive_radius_px": 3}, "halo 2 px must be a multiple of 1 px and not below"),
        ({"stride": 4}, "halo 2 px must be a multiple of 4 px"),
        ({"hv": "np"}, r"its output `hv` has the shape"),
    ],
)
def test_an_exported_network_that_is_not_what_its_card_says_is_refused(tmp_path, fields, message):
    with pytest.raises(CheckpointError, match=message):
        load_network(exported(tmp_path, **fields))


def test_an_exported_network_cannot_be_trained(tmp_path):
    with pytest.raises(CheckpointError, match="is an exported network, whose weights cannot be"):
        load_trainable(exported(tmp_path))
