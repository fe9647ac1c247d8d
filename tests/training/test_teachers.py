"""Teachers answer by turns, each at its own resolution."""

import pytest
import torch
from stores import write_member

from nucwsi.config import TrainSettings
from nucwsi.errors import ConfigError
from nucwsi.models.card import read_cards
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.network import NetworkMaps
from nucwsi.training.teachers import ask, load_teachers


@pytest.mark.parametrize(("scale", "size"), [(1.0, (64, 96)), (1.25, (80, 120)), (0.5, (32, 48))])
def test_a_teacher_is_asked_at_its_own_resolution(scale, size):
    """Its answer comes back on the pixels of the crop, in its place."""

    class Echo:
        stride = 8

        def mean_maps(self, rgb):
            assert rgb.shape == (1, 3, *size)
            seen = torch.from_numpy(rgb).float() / 255
            return NetworkMaps(seen[:, :1], seen[:, 1:], seen)

    row, column = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 96), indexing="ij")
    image = torch.stack([row, column, row * column])[None]
    answer = ask(Echo(), image, scale)
    assert torch.allclose(answer.tp_map, image, atol=0.02)
    assert torch.equal(answer.tp_map[:, :1], answer.np_map)


def test_teachers_are_asked_by_turns(tmp_path):
    """Whichever step a resumed run begins with, it has the same teacher."""
    members = [
        str(write_member(tmp_path / f"{seed}.safetensors", seed, mpp=0.35)) for seed in (1, 2)
    ]
    cpu, cards = torch.device("cpu"), read_cards(tuple(members))
    teach = load_teachers(cards, TrainSettings(mpp=0.4375), cpu)
    image = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    alone = [ask(Ensemble.load((card,), cpu, 1), image, 1.25) for card in cards]
    for step in (3, 0, 2):
        assert torch.equal(teach(image, step).maps.np_map, alone[step % 2].np_map)
    assert not torch.equal(alone[0].np_map, alone[1].np_map)
    assert load_teachers((), TrainSettings(), cpu) is None
    with pytest.raises(ConfigError, match="expected those of `classes`, nucleus"):
        load_teachers(cards, TrainSettings(classes=("nucleus",)), cpu)
