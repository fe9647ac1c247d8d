"""The bytes of a region file: what is no file of bounded size is refused before it is read."""

import gzip
import os

import pytest

from nucwsi.errors import RegionError
from nucwsi.io.regions.content import read_content


def test_a_file_is_read_and_unpacked(tmp_path):
    (tmp_path / "r.geojson").write_bytes(b"[1]")
    (tmp_path / "r.GeoJSON.GZ").write_bytes(gzip.compress(b"[2]") + gzip.compress(b"[3]"))
    assert read_content(tmp_path / "r.geojson") == b"[1]"
    assert read_content(tmp_path / "r.GeoJSON.GZ") == b"[2][3]"


def test_what_is_no_file_is_refused_at_once(tmp_path):
    """A pipe without a writer would block for ever, and /dev/zero has no end."""
    os.mkfifo(tmp_path / "pipe.geojson")
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "device.annotations").symlink_to("/dev/zero")
    for name in ("pipe.geojson", "folder.xml", "device.annotations"):
        with pytest.raises(RegionError, match=f"{name}: is no file but a folder, a pipe or a"):
            read_content(tmp_path / name)


def test_a_file_that_is_missing_or_cannot_be_named(tmp_path):
    (tmp_path / "link.xml").symlink_to("nowhere")
    for name in ("gone.xml", "link.xml"):
        with pytest.raises(RegionError, match=f"{name}: does not exist"):
            read_content(tmp_path / name)
    for name in ("x" * 300, "a\0b"):
        with pytest.raises(RegionError, match="cannot be read"):
            read_content(tmp_path / name)


def test_damaged_gzip(tmp_path):
    whole = gzip.compress(os.urandom(1000))
    for data in (whole[:-9], b"no gzip", whole[:50] + b"\xff" * 50 + whole[100:]):
        (tmp_path / "r.gz").write_bytes(data)
        with pytest.raises(RegionError, match=r"r\.gz: cannot be read .* export it again"):
            read_content(tmp_path / "r.gz")


def test_a_file_that_swells_when_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("nucwsi.io.regions.content._MAX_BYTES", 1 << 20)
    (tmp_path / "large").write_bytes(b" " * ((1 << 20) + 1))
    (tmp_path / "small.gz").write_bytes(gzip.compress(b" " * (1 << 21)))
    assert (tmp_path / "small.gz").stat().st_size < 3000
    for name in ("large", "small.gz"):
        with pytest.raises(RegionError, match="holds more than 1 MB; regions are areas"):
            read_content(tmp_path / name)
