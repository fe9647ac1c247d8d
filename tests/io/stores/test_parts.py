"""Parts of a folder that are taken over from the folder before."""

import pytest

from nucwsi.io.stores.parts import Parts


def made(folder, words):
    """Make a part that holds a file; count how often this happens."""

    def make(place):
        made.times += 1
        place.mkdir()
        (place / "a.txt").write_text(words)
        return {"words": words}

    return make


@pytest.fixture
def folders(tmp_path):
    made.times = 0
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir(), new.mkdir()
    assert Parts(tmp_path / "none", old).part("image", {"of": 1}, made(old, "one")) == {
        "words": "one"
    }
    return old, new


def test_a_part_that_would_be_the_same_is_not_made_again(folders):
    old, new = folders
    assert Parts(old, new).part("image", {"of": 1}, made(new, "two")) == {"words": "one"}
    assert (new / "image" / "a.txt").read_text() == "one"
    assert made.times == 1


@pytest.mark.parametrize("harm", ["other", "gone", "more", "record", "damaged"])
def test_a_part_of_other_things_or_with_files_missing_is_made_again(folders, harm):
    old, new = folders
    if harm == "gone":
        (old / "image" / "a.txt").unlink()
    elif harm == "more":
        (old / "image" / "b.txt").touch()
    elif harm == "record":
        (old / "made.json").unlink()
    elif harm == "damaged":
        (old / "made.json").write_text('[{"image": 1')
    of = {"of": 2 if harm == "other" else 1}
    assert Parts(old, new).part("image", of, made(new, "two")) == {"words": "two"}
    assert (new / "image" / "a.txt").read_text() == "two"
    assert made.times == 2
