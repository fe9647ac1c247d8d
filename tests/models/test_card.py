"""Cards are read without torch; members of an ensemble agree."""

import subprocess
import sys

import pytest
from networks_made import rewritten
from stores import write_member

from nucwsi.errors import CheckpointError
from nucwsi.models.card import (
    canvas_card,
    largest_halo_px,
    mean_count_error,
    mean_miscount,
    read_card,
    read_cards,
    scales,
)
from nucwsi.models.checkpoint import find_checkpoint
from nucwsi.models.resolution import margin_on_canvas


def test_members_of_an_ensemble_share_classes(member, tmp_path):
    other = write_member(tmp_path / "other.safetensors", classes=("a", "b"))
    with pytest.raises(CheckpointError, match="must agree"):
        read_cards((str(member), str(other)))


def cards_at(folder, *mpps):
    """Members that are named by their order and are at these mpp."""
    paths = (write_member(folder / f"{n}.safetensors", n, mpp=mpp) for n, mpp in enumerate(mpps))
    return read_cards(tuple(map(str, paths)))


def test_the_canvas_is_that_of_the_first_of_the_finest_members(tmp_path):
    cards = cards_at(tmp_path, 0.35, 0.25, 0.5, 0.25)
    assert canvas_card(cards).name == "1"
    assert scales(cards) == (0.35 / 0.25, 1.0, 2.0, 1.0)
    assert canvas_card(cards[2:3]).name == "2"
    assert scales(cards[2:3]) == (1.0,)


def test_the_halo_of_a_coarser_member_is_wider_on_the_canvas(tmp_path):
    cards = cards_at(tmp_path, 0.5, 0.25)
    assert largest_halo_px(cards) == margin_on_canvas(32, 2.0)
    assert largest_halo_px(cards[:1]) == 32


def test_members_at_mpp_of_another_order_are_refused(tmp_path):
    cards_at(tmp_path, 1.0, 0.25)
    with pytest.raises(
        CheckpointError, match=r"0\.safetensors: works at 1\.01 .* 4 times the 0\.25"
    ):
        cards_at(tmp_path, 1.01, 0.25)


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


def miscount(lone, common, **confusion):
    return {"lone": lone, "common": common, "confusion": confusion}


def test_the_miscount_of_an_ensemble_is_the_mean_of_what_was_measured(tmp_path):
    errors = (miscount(0.5, 0.1, epithelial=1.0, other=3.0), miscount(1.5, 0.3, epithelial=2.0))
    members = [write_member(tmp_path / "older.safetensors")]
    assert mean_miscount(read_cards((str(members[0]),))) is None
    for number, error in enumerate(errors):
        member = write_member(tmp_path / f"{number}.safetensors")
        members.append(rewritten(member, lambda d, error=error: d.update(miscount=error)))
    cards = read_cards(tuple(map(str, members)))
    mean = mean_miscount(cards)
    assert (mean.lone, mean.common) == pytest.approx((1.0, 0.2))
    assert mean.confusion == pytest.approx({"epithelial": 1.5, "other": 3.0})
    # Shares of all nuclei, which older members know, would be counted twice.
    assert mean_count_error(cards) == {}
