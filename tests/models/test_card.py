"""Cards are read without torch; members of an ensemble agree."""

import subprocess
import sys

import pytest
from networks_made import rewritten
from stores import write_member

from nucwsi.errors import CheckpointError
from nucwsi.models.card import largest_halo_px, mean_count_error, read_card, read_cards
from nucwsi.models.checkpoint import find_checkpoint


def test_members_of_an_ensemble_share_mpp(member, tmp_path):
    other = write_member(tmp_path / "other.safetensors", mpp=0.25)
    with pytest.raises(CheckpointError, match="must agree"):
        read_cards((str(member), str(other)))


def test_a_card_is_read_without_torch(member):
    code = (
        "import sys; from nucwsi.models.card import read_card;"
        "card = read_card(sys.argv[1]); print(card.architecture, card.local);"
        "sys.exit('torch' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, member], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "unet True\n"


def test_every_bundled_checkpoint_has_a_card():
    bundled = [path.stem for path in find_checkpoint("default").parent.glob("*.safetensors")]
    assert len(bundled) >= 7
    assert [read_card(name).name for name in bundled] == bundled


def test_the_halo_of_an_ensemble_is_the_largest(tmp_path):
    halos = (32, 48, 24)
    members = [str(write_member(tmp_path / f"{h}.safetensors", halo_px=h)) for h in halos]
    assert largest_halo_px(read_cards(tuple(members))) == 48
    assert largest_halo_px(read_cards(tuple(members[:1]))) == 32


def test_the_count_error_of_an_ensemble_is_the_mean_of_what_was_measured(tmp_path):
    errors = ({"epithelial": 0.1, "other": 0.3}, {"epithelial": 0.3}, {})
    members = []
    for number, error in enumerate(errors):
        member = write_member(tmp_path / f"{number}.safetensors")
        members.append(rewritten(member, lambda d, error=error: d.update(count_error=error)))
    mean = mean_count_error(read_cards(tuple(members)))
    assert mean == pytest.approx({"epithelial": 0.2, "other": 0.3})
