"""A file that cannot be a slide is named as what it is; nuclei of another slide are refused."""

import logging

import pytest

from nucwsi.errors import SlideError, StoreError
from nucwsi.io.slides.identity import check_slide, refuse_what_is_no_slide
from nucwsi.io.stores.publish import file_checksum


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist; check the path"),
        (b"", "is empty; copy it again"),
        (b"version https://git-lfs.github.com/spec/v1", r"is a Git LFS pointer.*git lfs pull"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><title>", "is a web page, not a slide"),
        (b"<?xml version='1.0'?><Error>", "is a web server's answer"),
    ],
)
def test_what_is_no_slide_is_named(tmp_path, content, message):
    path = tmp_path / "a.svs"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SlideError, match=message):
        refuse_what_is_no_slide(path)


def test_a_folder_is_no_slide(tmp_path):
    with pytest.raises(SlideError, match="is a folder; name one slide in it"):
        refuse_what_is_no_slide(tmp_path)


def test_nuclei_belong_to_the_slide_they_were_made_from(tmp_path):
    path, nuclei = tmp_path / "a.svs", tmp_path / "nuclei.parquet"
    path.write_bytes(b"slide")
    checksum = file_checksum(path)
    check_slide(path, checksum, nuclei)
    path.write_bytes(b"other")
    with pytest.raises(StoreError, match=r"nuclei\.parquet: was not made from .*a\.svs"):
        check_slide(path, checksum, nuclei, may_be_absent=True)


def test_a_slide_that_is_gone_stops_only_those_who_need_its_pixels(tmp_path, caplog):
    gone, nuclei = tmp_path / "gone.svs", tmp_path / "nuclei.parquet"
    with pytest.raises(SlideError, match="does not exist"):
        check_slide(gone, "0" * 32, nuclei)
    with caplog.at_level(logging.WARNING):
        check_slide(gone, "0" * 32, nuclei, may_be_absent=True)
    assert "cannot be compared" in caplog.text
