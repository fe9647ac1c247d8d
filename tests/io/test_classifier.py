"""The file of a classifier: what is written is read, and nothing in it is executed."""

import json
import pickle

import pytest
from taught import a_classifier

from nucwsi.errors import CheckpointError
from nucwsi.io.classifier import card_path, read_classifier, write_classifier


def test_it_comes_back_and_its_card_lies_beside(tmp_path):
    path = tmp_path / "my own.classifier"
    write_classifier(path, a_classifier(), "# card\n")
    found, checksum = read_classifier(path)
    assert found == a_classifier()
    assert len(checksum) == 32
    assert card_path(path).read_text() == "# card\n"
    assert card_path(path).name == "my own.classifier.md"


def test_two_writings_are_alike_and_another_classifier_has_another_checksum(tmp_path):
    one, two, three = (tmp_path / name for name in "abc")
    for path, bias in ((one, 0.0), (two, 0.0), (three, 0.5)):
        write_classifier(path, a_classifier(bias=(bias, 0.0)), "")
    assert one.read_bytes() == two.read_bytes()
    assert read_classifier(one)[1] == read_classifier(two)[1] != read_classifier(three)[1]


def test_a_pickle_is_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("run").touch, ())

    (tmp_path / "c").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CheckpointError, match="is not a classifier"):
        read_classifier(tmp_path / "c")
    assert not (tmp_path / "run").exists()


def _changed(**values):
    return json.dumps({**a_classifier().to_json(), **values}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        (b"", "is damaged"),
        (b"[1, 2]", "holds no classifier"),
        (b'{"kind": "tiles"}', "holds no classifier"),
        (b"[" * 100_000, "is damaged"),
        (_changed(version=99), "newer .* update nucwsi"),
        (_changed(extra=1), "`extra`"),
        (_changed(bias=[0.0]), "rows each"),
        (_changed(mean=[0.0]), "columns each"),
        (_changed(scale=[1.0, 0.0, 1.0]), "`scale.1`"),
        (_changed(classes=["a", "A"]), "each its own"),
        (_changed(confusion={"z": 1.0}), "none of"),
        (_changed(weights=[["nan", 0, 0], [0, 0, 0]]), "weights"),
    ],
)
def test_what_is_no_classifier_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "c"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"c: [^\n]*{said}[^\n]*"):
        read_classifier(path)
