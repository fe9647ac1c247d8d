"""Cards beside files that do not describe themselves."""

import json

import pytest
from exports_made import CARD as FIELDS
from exports_made import CLASSES, write_onnx

from nucwsi.errors import CheckpointError
from nucwsi.models.card import read_card
from nucwsi.models.card_file import card_path, card_text, is_exported, read_card_file


@pytest.fixture
def file(tmp_path):
    path = write_onnx(tmp_path / "my tiny.onnx")
    card_path(path).write_text(card_text(FIELDS), "utf-8")
    return path


def test_the_card_lies_beside_its_file(file):
    assert card_path(file).name == "my tiny.onnx.json"
    assert read_card_file(file) == FIELDS
    assert is_exported(file)
    assert not is_exported(file.with_suffix(".pth"))


def test_a_card_makes_a_member_without_a_look_at_the_network(file):
    card = read_card(str(file))
    assert (card.name, card.classes, card.local, card.halo_px) == ("tiny", CLASSES, True, 2)


def test_results_tell_another_card_from_this_one(file):
    before = read_card(str(file)).checksum
    card_path(file).write_text(card_text({**FIELDS, "mpp": 0.25}), "utf-8")
    assert read_card(str(file)).checksum != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"has no card, expected my tiny\.onnx\.json .* `nucwsi adopt '.*my tiny\.onnx'`"),
        ("{", r"my tiny\.onnx\.json: is no JSON"),
        ("[" * 100_000, r"my tiny\.onnx\.json: is no JSON"),
        ("[]", "must be an object"),
        (json.dumps({**FIELDS, "version": 9}), r"my tiny\.onnx\.json: is .* version 9"),
        (json.dumps({**FIELDS, "exported": None}), "`exported`: expected for the architecture"),
        (json.dumps({**FIELDS, "architecture": "unet"}), "`exported`: expected for the arch"),
    ],
)
def test_a_card_that_is_missing_or_wrong_is_told_in_one_line(file, text, message):
    if text is None:
        card_path(file).unlink()
    else:
        card_path(file).write_text(text, "utf-8")
    with pytest.raises(CheckpointError, match=message) as caught:
        read_card(str(file))
    assert "\n" not in str(caught.value)
