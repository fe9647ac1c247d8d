"""A folder gives each slide once, whatever else lies in it, and no two slides one name."""

from pathlib import Path

import pytest

from nucwsi.errors import ConfigError
from nucwsi.io.slides.folder import name_below, slides_in, told_apart
from nucwsi.io.slides.sheet import read_sheet


def dicom(path, series, size=0):
    number = series.encode() + b"\0" * (len(series) % 2)
    element = b"\x20\x00\x0e\x00UI" + len(number).to_bytes(2, "little") + number
    path.write_bytes(b"\0" * 128 + b"DICM" + element + b"\x08\x00" + b"\0" * size)


@pytest.fixture
def folder(tmp_path):
    """A folder of scans of all kinds, with what scanners and other programs leave between them."""
    for name in (
        *("b.svs", "a.SVS", "a.png", "alone.jpeg", "notes.txt", "._b.svs"),
        *("deep/er/c d.tif", "deep/er/.hidden/x.svs", ".trash/y.svs"),
        *("m.mrxs", "m/Data0000.dat", "m/preview.jpg", "v/i.vms", "v/i(1,0).jpg", "v/i_macro.jpg"),
        *("results/.fingerprints.json", "results/report.png", "results/m/viewer/0.jpg"),
        *("old/s/nuclei.parquet", "old/s/viewer/0.jpg"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "dicom").mkdir()
    for number, (series, size) in enumerate([("1.2", 5), ("1.2", 900), ("1.23", 1)]):
        dicom(tmp_path / "dicom" / f"{number}.dcm", series, size)
    (tmp_path / "dicom" / "odd.dcm").write_bytes(b"no series")
    return tmp_path


def test_each_slide_is_found_once_and_nothing_else(folder):
    found = [str(path.relative_to(folder)) for path in slides_in(folder)]
    assert found == [
        *("a.SVS", "alone.jpeg", "b.svs", "m.mrxs"),
        "deep/er/c d.tif",
        *("dicom/1.dcm", "dicom/2.dcm", "dicom/odd.dcm"),
        "v/i.vms",
    ]


def test_links_that_lead_in_a_circle_are_followed_once(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "z.svs").touch()
    before = slides_in(folder)
    (folder / "circle").symlink_to(folder)
    (folder / "zz").symlink_to(elsewhere)
    assert slides_in(folder) == [*before, folder / "zz" / "z.svs"]


def test_slides_of_one_name_are_told_apart_by_as_many_folders_as_needed():
    paths = [Path(f"/d/{name}") for name in ("1/x/HE.svs", "1/y/HE.svs", "2/x/he.tif", "3/IHC.svs")]
    assert told_apart(paths) == ["1_x_HE", "y_HE", "2_x_he", "IHC"]
    assert told_apart([Path("a.svs"), Path("a.tif")]) == ["a", "a"]
    assert told_apart([]) == []
    assert name_below(Path("/HE.svs"), 9) == "HE"


def test_files_that_differ_in_their_suffix_alone_are_refused(tmp_path):
    for name in ("a.svs", "a.tif"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match="the slide name 'a' occurs twice"):
        read_sheet(tmp_path)


def test_names_of_a_folder_do_not_depend_on_where_it_is_named_from(tmp_path, monkeypatch):
    for patient in ("p1", "p2"):
        (tmp_path / patient).mkdir()
        (tmp_path / patient / "HE.svs").touch()
    monkeypatch.chdir(tmp_path)
    assert [e.name for e in read_sheet(Path())] == ["p1_HE", "p2_HE"]
    assert [e.name for e in read_sheet(tmp_path)] == ["p1_HE", "p2_HE"]


def test_a_folder_without_slides_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="names no slide"):
        read_sheet(tmp_path)
