"""Cards are read without torch, and refused unless they hold together."""

import subprocess
import sys

import pytest
from networks_made import rewritten
from stores import write_member

from nucwsi.errors import CheckpointError
from nucwsi.models.card import read_card, read_cards


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
