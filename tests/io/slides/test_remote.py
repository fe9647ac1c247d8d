"""Addresses in the slide sheet are kept whole, and what cannot be fetched is refused."""

from pathlib import Path

import pytest

from nucwsi.errors import ConfigError, SlideError
from nucwsi.io.slides.cohort import write_sheet
from nucwsi.io.slides.identity import refuse_what_is_no_slide
from nucwsi.io.slides.remote import address, shown, staging_fault
from nucwsi.io.slides.sheet import read_sheet
from nucwsi.steps.check import check

ADDRESSES = [
    "s3://bucket/a.svs",
    "gs://bucket/case 1/it's.svs",
    "https://example.org/a.svs?download=1",
    "http://127.0.0.1:5000/a.svs",
]


def write_slides(folder, *paths):
    sheet = folder / "slides.tsv"
    rows = [f"s{number}\t{path}\n" for number, path in enumerate(paths)]
    sheet.write_text("".join(["slide\tpath\n", *rows]))
    return sheet


def test_an_address_survives_as_a_path():
    for where in ADDRESSES:
        assert address(Path(where)) == shown(Path(where)) == where
    for local in ("a.svs", "/data/s3/a.svs", "s3", "s3:", "C:/a.svs", "ftp://host/a.svs"):
        assert address(Path(local)) is None


def test_a_sheet_of_addresses_is_read_and_written_without_asking_anybody(tmp_path):
    entries = read_sheet(write_slides(tmp_path, *ADDRESSES))
    assert [address(entry.path) for entry in entries] == ADDRESSES
    write_sheet(tmp_path / "kept.tsv", entries)
    assert [entry.path for entry in read_sheet(tmp_path / "kept.tsv")] == [e.path for e in entries]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("S3://bucket/a.svs", "of an unknown kind; expected s3://, gs://, .* in small letters"),
        ("ftp://host/a.svs", "is an address of an unknown kind"),
        ("file:///data/a.svs", "or a file of this machine"),
        ("https://me:secret@host/a.svs", "holds a name or a password"),
    ],
)
def test_an_address_that_nobody_can_fetch_is_told_from_a_file(tmp_path, where, said):
    with pytest.raises(ConfigError, match=said):
        read_sheet(write_slides(tmp_path, where), lambda _: True)


@pytest.mark.parametrize("column", ["regions", "answers", "tissue", "nuclei"])
def test_only_slides_are_fetched(tmp_path, column):
    (tmp_path / "a.svs").touch()
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(f"slide\tpath\t{column}\na\t{tmp_path}/a.svs\ts3://bucket/x.geojson\n")
    with pytest.raises(ConfigError, match="is an address, but only slides are fetched"):
        read_sheet(sheet)


@pytest.mark.parametrize("where", ["s3://bucket/a.mrxs", "s3://bucket", "s3://bucket/"])
def test_what_cannot_be_fetched_is_refused(tmp_path, where):
    assert staging_fault(Path(where))
    with pytest.raises(ConfigError, match="slide 's0': s3://bucket"):
        read_sheet(write_slides(tmp_path, where))


def test_a_verb_that_is_given_an_address_says_who_fetches_it():
    with pytest.raises(SlideError, match=r"s3://bucket/a\.svs: is not on this machine"):
        refuse_what_is_no_slide(Path("s3://bucket/a.svs"))


def test_check_does_not_fetch(tmp_path):
    from nucwsi.config import TileSettings

    entries = read_sheet(write_slides(tmp_path, *ADDRESSES))
    verdicts = list(check(entries, TileSettings(), members=("default",)))
    assert all("was not looked at" in one.description and not one.fault for one in verdicts)
    assert all(one.extent is None for one in verdicts)
