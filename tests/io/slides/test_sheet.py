"""The slide sheet: what a user writes down, and what is refused."""

from pathlib import Path

import pytest

from nucwsi.errors import ConfigError
from nucwsi.io.slides.sheet import read_sheet


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.svs", "b.ome.tif", "r.geojson", "notes.txt"):
        Path(name).write_bytes(b"x")

    def written(text):
        path = Path("slides.tsv")
        path.write_text(text, encoding="utf-8")
        return read_sheet(path)

    return written


def test_a_sheet_names_slides(sheet):
    one, two = sheet(
        "slide\tpath\tmpp\tregions\nA\ta.svs\t0.25\tr.geojson\n# no\n\nB\tb.ome.tif\t\t\n"
    )
    assert (one.name, one.path, one.mpp, one.regions) == (
        "A",
        Path("a.svs"),
        0.25,
        (Path("r.geojson"),),
    )
    assert (two.name, two.mpp, two.regions) == ("B", None, ())


def test_regions_are_named_or_lie_beside_the_slide(sheet):
    for name in ("a.xml", "a.geojson", "b.geojson.gz", "b.annotations", "a.txt"):
        Path(name).write_bytes(b"<?xml version='1.0'?>\n<Annotations>")
    text = "slide\tpath\tregions\nA\ta.svs\t r.geojson ; a.xml;\nC\ta.svs\nB\tb.ome.tif\t\n"
    named, beside, two = sheet(text)
    assert named.regions == (Path("r.geojson"), Path("a.xml"))
    assert beside.regions == (Path("a.geojson"), Path("a.xml"))
    assert two.regions == (Path("b.geojson.gz"), Path("b.annotations"))
    assert [e.regions for e in read_sheet(Path("slides.tsv"), beside=False)][1:] == [(), ()]
    assert [e.regions for e in read_sheet(Path("a.svs"))] == [beside.regions]
    assert next(e.regions for e in read_sheet(Path())) == beside.regions
    assert [named.beside, beside.beside] == [False, True]
    Path("a.xml").write_bytes(b"<metadata>")
    assert read_sheet(Path("a.svs"))[0].regions == (Path("a.geojson"),)


def test_what_macos_leaves_is_no_slide(sheet):
    Path("._a.svs").write_bytes(b"Mac OS X")
    assert [entry.path.name for entry in read_sheet(Path())] == ["a.svs", "b.ome.tif"]


def test_a_table_without_tabs_is_no_slide(sheet):
    Path("slides.csv").write_text("slide,path\nA,a.svs\n")
    with pytest.raises(ConfigError, match=r"slides.csv: is not a slide; a slide sheet is a .tsv"):
        read_sheet(Path("slides.csv"))


def test_a_spreadsheet_programs_byte_order_mark_is_no_column(sheet):
    assert sheet("\ufeffslide\tpath\nA\ta.svs\n")[0].name == "A"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slide,path\nA,a.svs\n", "expected slide and path"),
        ("slide\tpath\tmppp\nA\ta.svs\t\n", "mppp; expected slide and path"),
        ("", "has the columns \\(none\\)"),
        ("slide\tpath\n", "names no slide"),
        ("slide\tpath\nA\ta.svs\nA\tb.ome.tif\n", "'A' occurs twice, for a.svs and b.ome"),
        ("slide\tpath\nA\ta.svs\na\tb.ome.tif\n", "'a' occurs twice"),
        ("slide\tpath\nA B\ta.svs\n", "slide 1: slide name 'A B' may hold"),
        ("slide\tpath\n../x\ta.svs\n", "may hold letters"),
        ("slide\tpath\nok\ta.svs\n\ta.svs\n", "slide 2: slide name ''"),
        ("slide\tpath\nA\t\n", "has no path"),
        ("slide\tpath\nA\ta{1}.svs\n", "has braces"),
        ("slide\tpath\nA\tgone.svs\n", "gone.svs is not a file"),
        ("slide\tpath\tregions\nA\ta.svs\tgone.geojson\n", "gone.geojson is not a file"),
        ("slide\tpath\tmpp\nA\ta.svs\t0,25\n", "mpp '0,25' is not a number"),
        ("slide\tpath\tmpp\nA\ta.svs\t0\n", "mpp '0' is not plausible, expected"),
        ("slide\tpath\tmpp\nA\ta.svs\tnan\n", "mpp 'nan' is not plausible"),
        ("slide\tpath\tmpp\nA\ta.svs\t352.78\n", "expected 0.05 to 5 µm per pixel; write for"),
        ("slide\tpath\tmpp\nA\n", "slide 1: slide 'A' has no path"),
        ("slide\tpath\nA\ta.svs\t0.25\n", "slide 1: has more cells than the table has columns"),
    ],
)
def test_a_wrong_sheet_is_refused(sheet, text, message):
    with pytest.raises(ConfigError, match=message):
        sheet(text)


def test_a_folder_gives_its_slides(sheet, tmp_path):
    sheet("slide\tpath\nA\ta.svs\n")
    (tmp_path / "odd name (1).tiff").write_bytes(b"x")
    assert [entry.name for entry in read_sheet(tmp_path)] == ["a", "b", "odd_name_1_"]


def test_a_folder_of_dicom_files_does_not_tell_its_slides(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.dcm").touch()
    with pytest.raises(ConfigError, match="name one file of each slide in a slide sheet"):
        read_sheet(tmp_path)


def test_a_single_slide(sheet):
    assert sheet("slide\tpath\nA\ta.svs\n")
    assert read_sheet(Path("b.ome.tif"))[0].name == "b"
    with pytest.raises(ConfigError, match=r"c\.svs is not a file"):
        read_sheet(Path("c.svs"))
    assert read_sheet(Path("c.svs"), lambda entry: entry.name == "c")[0].path == Path("c.svs")


def test_a_missing_or_binary_sheet(sheet, tmp_path):
    with pytest.raises(ConfigError, match="does not exist; name your slide sheet"):
        read_sheet(tmp_path / "none.tsv")
    (tmp_path / "binary.tsv").write_bytes(b"\xff\xfe\x00\x81slide")
    (tmp_path / "long.tsv").write_text("slide\tpath\n" + "a" * 200_000 + "\tb\n")
    with pytest.raises(ConfigError, match="cannot be read: field larger than"):
        read_sheet(tmp_path / "long.tsv")
    with pytest.raises(ConfigError, match="is not text"):
        read_sheet(tmp_path / "binary.tsv")
