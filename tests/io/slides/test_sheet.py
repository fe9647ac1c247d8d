"""The slide sheet: what a user writes down, and what is refused."""

import os
from pathlib import Path

import pytest

from nucwsi.errors import ConfigError
from nucwsi.io.slides.names import name_fault
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


def test_a_scene_is_chosen_in_the_sheet(sheet):
    one, two = sheet("slide\tpath\tscene\nA\ta.svs\t 2 \nB\tb.ome.tif\t\n")
    assert (one.scene, two.scene) == ("2", "")


def test_the_tissue_of_a_slide_is_a_word_or_a_mask(sheet):
    text = "slide\tpath\ttissue\nA\ta.svs\tall\nB\tb.ome.tif\t\nC\ta.svs\tr.geojson\n"
    assert [entry.tissue for entry in sheet(text)] == ["all", "", "r.geojson"]


def test_further_columns_are_carried_along_as_they_are(sheet):
    """Whatever they are named and hold, also where cells are missing or the line ends in tabs."""
    one, two = sheet(
        "patient\tslide\tpath\tstain batch\t<b>\t\t\n"
        '007\tA\ta.svs\t =1+1 \t"a ""b"""\t\t\nP 2\tB\tb.ome.tif\n'
    )
    assert one.further == {"patient": "007", "stain batch": "=1+1", "<b>": 'a "b"'}
    assert two.further == {"patient": "P 2", "stain batch": "", "<b>": ""}
    assert list(one.further) == list(two.further), "in the order of the sheet"
    assert sheet("slide\tpath\nA\ta.svs\n")[0].further == {}
    assert read_sheet(Path("a.svs"))[0].further == {}


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


@pytest.mark.parametrize("name", ["s.tsv", "s.csv", "s.txt", "s.CSV"])
@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_a_table_as_spreadsheets_save_it_is_a_sheet(sheet, name, delimiter):
    rows = [("slide", "path", "regions"), ("A", "a.svs", '"r.geojson;r.geojson"'), ("", "", "")]
    Path(name).write_text("\n".join(map(delimiter.join, rows)))
    [entry] = read_sheet(Path(name))
    assert (entry.name, entry.path) == ("A", Path("a.svs"))
    assert entry.regions == (Path("r.geojson"),) * 2


def test_a_workbook_is_no_slide(sheet):
    Path("slides.xlsx").write_bytes(b"PK")
    with pytest.raises(ConfigError, match=r"slides.xlsx: is no text; in Excel save as CSV UTF-8"):
        read_sheet(Path("slides.xlsx"))


def test_a_spreadsheet_programs_byte_order_mark_is_no_column(sheet):
    assert sheet("\ufeffslide\tpath\nA\ta.svs\n")[0].name == "A"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slide|path\nA|a.svs\n", "columns slide.path; expected slide and path"),
        ("slide\u200bx\tpath\n", r"columns 'slide.u200bx', path; expected"),
        ("slide\tpath\tpath\nA\ta.svs\tb.ome.tif\n", "slide, path, path; expected .* each once"),
        ("Slide\tPath\nA\ta.svs\n", "columns Slide, Path; expected slide and path"),
        ('slide\tpath\nA\t"a.svs\nB\tb.ome.tif\n', "unexpected end of data; check its quotes"),
        ("slide\tpath\nA\ta\u200b.svs\n", r"slide 'A': 'a.u200b.svs' is not a file"),
        ("slide\tpath\nA\ta\x01.svs\n", r"'a.x01.svs' .* has characters that cannot be shown"),
        ('slide\tpath\nA\t"a\n.svs"\n', r"'a.n.svs' .* has characters that cannot be shown"),
        ("slide\tpath\nA\ta\0.svs\n", r"'a.x00.svs' .* has characters that cannot be shown"),
        ("slide\tpath\nnul\ta.svs\n", "slide name 'nul' is a device on Windows"),
        ("slide\tpath\nlogs\ta.svs\n", "slide name 'logs' is, or ends like, the name of other"),
        (f"slide\tpath\n{'x' * 201}\ta.svs\n", "has 201 characters; expected 200 at most"),
        (f"slide\tpath\nA\t{'x' * 300}.svs\n", "File name too long"),
        ("slide\tpath\tmppp\nA\ta.svs\t\n", "the column 'mppp' looks like `mpp`"),
        ("slide\tpath\tregion\nA\ta.svs\tr.geojson\n", "'region' looks like `regions`"),
        ("slide\tpath\tMPP\nA\ta.svs\t0.25\n", "'MPP' looks like `mpp`; write it so, or"),
        ("slide\tpath\t\tgroup\nA\ta.svs\tx\ty\n", "the column '' has no name"),
        ("slide\tpath\ttissue\nA\ta.svs\tx.png\n", "slide 'A': x.png is not a file"),
        ("slide\tpath\tgroup\ntA\ta.svs\ta\x02b\n", "'group' is 'a.x02b', which has char"),
        (f"slide\tpath\t{'x' * 201}\nA\ta.svs\tx\n", "has 201 characters, expected 200"),
        ("slide\tpath\tgroup\tgroup\nA\ta.svs\tx\ty\n", "group, group; expected .* each once"),
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
        ("slide\tpath\tnuclei\nA\ta.svs\tgone.json\n", "'A': gone.json is not a file"),
        ("slide\tpath\tnuclei_mpp\nA\ta.svs\t0.5\n", "slide 1: .* but `nuclei` names no file"),
        ("slide\tpath\tnuclei\tnuclei_mpp\nA\ta.svs\tr.geojson\tx\n", "nuclei_mpp 'x' is not a"),
        ("slide\tpath\tnuclei\tnuclei_classes\nA\ta.svs\tr.geojson\ta=b\n", "_classes: 'a=b', exp"),
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
    with pytest.raises(ConfigError, match=r"binary\.tsv: is not UTF-8: in Excel save as CSV UTF-8"):
        read_sheet(tmp_path / "binary.tsv")
    os.mkfifo(tmp_path / "pipe.tsv")
    with pytest.raises(ConfigError, match=r"pipe\.tsv: is a pipe or a device; expected a file"):
        read_sheet(tmp_path / "pipe.tsv")
    with pytest.raises(ConfigError, match="File name too long"):
        read_sheet(Path(f"{'x' * 300}.tsv"))


def test_sheets_of_excel(sheet, shared):
    """UTF-16 is known by its mark; the letters of cp1252 could be any."""
    for name, message in (("latin1", "is not UTF-8: in Excel save as CSV UTF-8"), ("utf16", "")):
        with pytest.raises(ConfigError, match=message or "Müller/a.tif is not a file"):
            read_sheet(shared / "faults" / "sheets" / f"{name}.tsv")
    text = "\u00a0slide\u200b\tpath \tmpp\r\nA\ufeff\t\u3000a.svs\u00a0\t\u20600.25\r\n\t\t\r\n"
    for code in ("utf-16", "utf-8-sig", "utf-8"):
        for ends in ("\r\n", "\r", "\n"):
            Path("s.tsv").write_bytes(text.replace("\r\n", ends).encode(code))
            [entry] = read_sheet(Path("s.tsv"))
            assert (entry.name, entry.path, entry.mpp) == ("A", Path("a.svs"), 0.25)


def test_a_path_that_looks_like_an_option_is_absolute(sheet, tmp_path):
    for name in ("-lead.svs", "--regions.geojson"):
        Path(name).write_bytes(b"x")
    [entry] = sheet("slide\tpath\tregions\nA\t-lead.svs\t--regions.geojson\n")
    assert entry.path == tmp_path / "-lead.svs"
    assert entry.regions == (tmp_path / "--regions.geojson",)
    [entry] = read_sheet(Path("-lead.svs"))
    assert (entry.name, entry.path) == ("lead", tmp_path / "-lead.svs")


def test_odd_names_of_files_are_used_as_they_are_or_refused(sheet, tmp_path):
    for name in ("$(x).svs", "~.svs", 'it\'s "q".svs', "nul.svs", "logs.svs", "b..svs", "µ.svs"):
        Path(name).write_bytes(b"x")
        [entry] = read_sheet(Path(name))
        assert entry.path == Path(name)
        assert name_fault(entry.name) is None
        Path(name).unlink()
    for name, shown in ((b"\xff.svs", r"'.udcff.svs' is not UTF-8"), (b"a\nb.svs", r"'a.nb.svs'")):
        path = Path(os.fsdecode(name))
        path.write_bytes(b"x")
        for listed in (path, Path()):
            with pytest.raises(ConfigError, match=shown):
                read_sheet(listed)
        path.unlink()
    Path(f"{'x' * 250}.svs").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"its name has 250 characters; .* name it in a slide"):
        read_sheet(Path())


def test_answers_are_files_that_must_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.svs", "b.svs", "one.geojson", "two words.csv"):
        Path(name).touch()
    sheet = tmp_path / "slides.tsv"
    sheet.write_text("slide\tpath\tanswers\na\ta.svs\tone.geojson; two words.csv\nb\tb.svs\t\n")
    one, two = read_sheet(sheet)
    assert (one.answers, two.answers) == ((Path("one.geojson"), Path("two words.csv")), ())
    assert "answers" not in one.further
    Path("one.geojson").unlink()
    with pytest.raises(ConfigError, match=r"one\.geojson is not a file"):
        read_sheet(sheet)


def test_nuclei_of_others_are_a_file_or_a_folder_of_ome_zarr(sheet):
    Path("labels.zarr").mkdir()
    one, two, three = sheet(
        "slide\tpath\tnuclei\tnuclei_mpp\tnuclei_classes\n"
        "A\ta.svs\tr.geojson\t0.5\t1=tumour,2=immune cell\nB\ta.svs\tlabels.zarr\nC\ta.svs\n"
    )
    assert (one.nuclei, one.nuclei_mpp) == (Path("r.geojson"), 0.5)
    assert one.nuclei_classes == "1=tumour,2=immune cell"
    assert (two.nuclei, two.nuclei_mpp, three.nuclei) == (Path("labels.zarr"), None, None)
