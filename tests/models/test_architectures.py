"""One registry: a new architecture is one module and one line, and an ensemble runs it."""

import math
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from networks_made import Toy, ensemble_of, random_network

from nucwsi.errors import ConfigError
from nucwsi.models.architectures import (
    ARCHITECTURES,
    Architecture,
    build_network,
    build_trainable,
    check_trainable,
)
from nucwsi.models.card import read_card
from nucwsi.models.checkpoint import save_checkpoint
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.network import NetworkMaps
from nucwsi.nuclei.constants import PostProcessing

CLASSES = ("pale", "dark")


class ToyOfClasses(Toy):
    """Each class is three times as likely as the one before."""

    def __init__(self, n_classes):
        super().__init__()
        self.classes = torch.nn.Parameter(torch.arange(float(n_classes)) * math.log(3))

    def forward(self, image, margin_px=0):
        np_map, hv_map, _ = super().forward(image, margin_px)
        logits = self.classes.view(1, -1, 1, 1).expand(-1, -1, *np_map.shape[-2:])
        return NetworkMaps(np_map, hv_map, logits)


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """All that a new architecture needs: a module with `build`, and its line in the registry."""
    module = ModuleType("toy_network")
    module.build = lambda _architecture, _widths, n_classes: ToyOfClasses(n_classes)
    monkeypatch.setitem(sys.modules, "toy_network", module)
    monkeypatch.setitem(ARCHITECTURES, "toy", Architecture("toy_network", local=True))
    description = {
        "name": "toy",
        "architecture": "toy",
        "classes": CLASSES,
        "mpp": 0.5,
        "halo_px": 4,
        "post_processing": PostProcessing(0.5, 0.1, 1.0, dict.fromkeys(CLASSES, 5.0)),
        "about": {},
    }
    path = tmp_path / "toy.safetensors"
    save_checkpoint(path, ToyOfClasses(2).state_dict(), description)
    return read_card(str(path))


def test_a_registered_architecture_runs_in_an_ensemble(toy):
    assert (toy.local, toy.widths) == (True, ())
    rgb = np.zeros((1, 3, 16, 24), np.uint8)
    rgb[0, 0, :, 12:] = 255
    ensemble = Ensemble.load((toy,), torch.device("cpu"), views=2, precision=torch.float32)
    (maps,) = ensemble.quantised(rgb, 4)
    # 255 / (1 + e**-2) and 255 / (1 + e**2), halves of the window; 255 / 4 and 3 * 255 / 4.
    np.testing.assert_array_equal(maps.np_map, [[30] * 8 + [225] * 8] * 8)
    assert not maps.hv_map.any()
    np.testing.assert_array_equal(np.unique(maps.tp_map[0]), 64)
    np.testing.assert_array_equal(np.unique(maps.tp_map[1]), 191)


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_what_the_registry_says_is_true_of_the_network(name):
    entry = ARCHITECTURES[name]
    with torch.device("meta"):
        classes = 1 if name.endswith("untyped") else 3
        network = build_network(name, (4, 4, 4, 4) if entry.trainable else (), classes)
    assert network.local is entry.local
    assert network.stride >= 1
    assert network.receptive_radius_px > network.stride


def test_a_network_that_contradicts_the_registry_is_refused(monkeypatch):
    wrong = Architecture(ARCHITECTURES["unet"].module, local=False)
    monkeypatch.setitem(ARCHITECTURES, "unet", wrong)
    with pytest.raises(TypeError, match=r"local = True, but the registry says False of 'unet'"):
        build_network("unet", (4, 6), 2)


def test_an_architecture_that_cannot_be_trained_is_refused():
    for name in ("seresnext50", "nonsense"):
        with pytest.raises(ConfigError, match=f"`architecture` is '{name}'; expected one of unet"):
            check_trainable(name)
        with pytest.raises(ConfigError, match="expected one of unet, lite2"):
            build_trainable(name, (4, 6), 2)


def test_what_is_trained_is_what_is_loaded(architecture):
    """From one seed, training begins with the weights that `build_network` gives."""
    torch.manual_seed(1)
    trainee = build_trainable(architecture, (4, 6, 8), 3).state_dict()
    torch.manual_seed(1)
    for name, value in build_network(architecture, (4, 6, 8), 3).state_dict().items():
        torch.testing.assert_close(trainee[name], value, atol=0, rtol=0)


def test_members_of_several_architectures_are_averaged(toy):
    rgb = np.random.default_rng(0).integers(0, 256, (1, 3, 96, 96), np.uint8)
    other = random_network(n_classes=2)
    own = Ensemble.load((toy,), torch.device("cpu"), 1).members[0]
    both, alone, beside = (
        ensemble_of(*members).mean_maps(rgb, 24) for members in ((own, other), (own,), (other,))
    )
    for mean, one, two in zip(both, alone, beside, strict=True):
        torch.testing.assert_close(mean, (one + two) / 2)
