"""A zip that grows: whole entries, each written once, the same bytes after any interruption."""

import zipfile
from contextlib import closing

import pytest

from nucwsi.errors import StoreError
from nucwsi.io.stores.growing import GrowingZip

ENTRIES = {f"0/0/{n}": bytes([n]) * (50 * n + 1) for n in range(6)}


def grown(folder, stops=()):
    """Add all entries, with new objects after some of them; return the zip's path."""
    about = folder / "about"
    about.mkdir(parents=True)
    (about / ".zattrs").write_text("{}")
    noted, place = {}, folder / "growing.zip"
    growing = GrowingZip(place, noted)
    for name, data in ENTRIES.items():
        noted[name] = growing.add(name, data)
        if name in stops:
            # What was added and not noted is cut off.
            growing.add("0/0/9", b"lost")
            growing.close()
            growing = GrowingZip(place, noted)
    growing.publish(about, folder / "made.zip")
    assert not place.exists()
    return folder / "made.zip"


def test_it_is_a_zip_of_all_entries(tmp_path):
    with zipfile.ZipFile(grown(tmp_path)) as archive:
        assert {name: archive.read(name) for name in ENTRIES} == ENTRIES
        assert archive.namelist() == [*ENTRIES, ".zattrs"]
        assert archive.testzip() is None


@pytest.mark.parametrize("stops", [["0/0/0"], ["0/0/2", "0/0/5"], list(ENTRIES)])
def test_it_goes_on_behind_what_is_noted(tmp_path, stops):
    whole = grown(tmp_path / "whole").read_bytes()
    assert grown(tmp_path / "resumed", stops).read_bytes() == whole


def test_a_run_that_was_killed_before_the_zip_was_in_its_place_goes_on(tmp_path):
    """Its table of contents is written anew."""
    whole = grown(tmp_path / "whole")
    noted = {}
    for name, data in ENTRIES.items():
        with closing(GrowingZip(tmp_path / "growing.zip", noted)) as growing:
            noted[name] = growing.add(name, data)
    (tmp_path / "growing.zip").write_bytes(whole.read_bytes())
    GrowingZip(tmp_path / "growing.zip", noted).publish(whole.parent / "about", tmp_path / "m.zip")
    assert (tmp_path / "m.zip").read_bytes() == whole.read_bytes()


def test_less_than_was_noted_is_not_gone_on_with(tmp_path):
    with closing(GrowingZip(tmp_path / "growing.zip", {})) as growing:
        noted = {"0/0/0": growing.add("0/0/0", b"some data")}
    (tmp_path / "growing.zip").write_bytes(b"PK")
    with pytest.raises(EOFError):
        GrowingZip(tmp_path / "growing.zip", noted)


def test_what_does_not_read_back_is_never_published(tmp_path):
    growing = GrowingZip(tmp_path / "growing.zip", {})
    growing.add("0/0/0", b"some data")
    with (tmp_path / "growing.zip").open("rb+") as stream:
        stream.seek(-4, 2)
        stream.write(b"DATA")
    (tmp_path / "about").mkdir()
    with pytest.raises(StoreError, match="0/0/0 did not read back; is the disk sound"):
        growing.publish(tmp_path / "about", tmp_path / "made.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["about"]
