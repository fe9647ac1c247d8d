"""The table of contents finds what `zipfile` finds, however the entries are named and packed."""

import io
import zipfile

import pytest

from nucwsi.io.stores.contents import Contents

ENTRIES = {
    "np/0/10": b"ten",
    "np/0/1": b"one",
    "np/0/2": b"",
    ".zattrs": b"{}" * 400,
    "naïve/ö": "ü".encode(),
}


def zipped(entries, method=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return zipfile.ZipFile(stream)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_entry_is_found_by_its_name(method):
    archive = zipped(ENTRIES.items(), method)
    contents = Contents(archive)
    assert not archive.namelist(), "the entries would be in memory twice"
    assert {name: archive.read(contents[name]) for name in ENTRIES} == ENTRIES


@pytest.mark.parametrize("name", ["", "np/0", "np/0/100", "np/0/3", "zz", "np/0/1\0"])
@pytest.mark.parametrize("entries", [ENTRIES, {}])
def test_what_is_not_there_is_not_found(name, entries):
    with pytest.raises(KeyError):
        Contents(zipped(entries.items()))[name]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_entries_of_a_name_the_last_counts():
    archive = zipped([("a", b"old"), ("b", b""), ("a", b"new")])
    assert archive.read(Contents(archive)["a"]) == b"new"


def test_a_flipped_bit_of_an_entry_is_seen():
    archive = zipped(ENTRIES.items())
    contents, stream = Contents(archive), archive.fp
    at = stream.getvalue().index(b"ten")
    stream.seek(at)
    stream.write(b"tan")
    with pytest.raises(zipfile.BadZipFile, match="Bad CRC"):
        archive.read(contents["np/0/10"])
