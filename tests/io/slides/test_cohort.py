"""Slides are added to those of earlier runs; none takes the place of another."""

from pathlib import Path

import pytest

from nucwsi.errors import ConfigError
from nucwsi.io.slides.cohort import joined, write_sheet
from nucwsi.io.slides.sheet import SlideEntry, read_sheet


def never(old, new):
    return False


@pytest.fixture
def files(tmp_path):
    for name in ("x/a.svs", "y/a.svs", "x/b.svs", "y/A.svs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_a_second_run_adds_its_slides(files):
    known = joined([], [(SlideEntry("a", files / "x/a.svs"), False)], never)
    assert (known.n_new, known.notes) == (1, [])
    more = joined(known.entries, [(SlideEntry("b", files / "x/b.svs"), False)], never)
    assert [entry.name for entry in more.entries] == ["a", "b"]
    assert (more.n_new, more.notes) == (1, [])


def test_a_known_slide_keeps_its_name_and_what_is_known_of_it(files):
    known = [SlideEntry("mine", files / "x/a.svs", 0.5, further={"patient": "7"})]
    again = joined(known, [(SlideEntry("a", files / "x/../x/a.svs"), False)], never)
    [entry] = again.entries
    assert (entry.name, entry.mpp, entry.further) == ("mine", 0.5, {"patient": "7"})
    assert entry.path == known[0].path, "another path would be another input to Snakemake"
    assert again.n_new == 0
    [entry] = joined(known, [(SlideEntry("a", files / "x/a.svs", 0.25), False)], never).entries
    assert (entry.name, entry.mpp) == ("mine", 0.25)


@pytest.mark.parametrize("other", ["y/a.svs", "y/A.svs"])
def test_a_new_slide_of_a_known_name_is_told_apart_by_its_folder(files, other):
    known = [SlideEntry("a", files / "x/a.svs")]
    path = files / other
    both = joined(known, [(SlideEntry(path.stem, path), False)], never)
    assert [entry.name for entry in both.entries] == ["a", f"y_{path.stem}"]
    assert both.notes == [f"{path} is called y_{path.stem}: {known[0].path} is a already"]
    again = joined(both.entries, [(SlideEntry(path.stem, path), False)], never)
    assert again.entries == both.entries


def test_a_slide_that_has_moved_is_the_same_slide(files):
    known = [SlideEntry("a", files / "gone/a.svs")]
    path = files / "y/a.svs"
    moved = joined(known, [(SlideEntry("a", path), False)], lambda old, new: True)
    assert [(entry.name, entry.path) for entry in moved.entries] == [("a", path)]
    assert moved.n_new == 0
    assert moved.notes == [f"a: {known[0].path} is now {path}; analysed anew"]


def test_a_name_of_a_sheet_is_never_changed(files):
    known = [SlideEntry("a", files / "x/a.svs")]
    with pytest.raises(ConfigError, match=r"the slide name 'a' of .*y/a\.svs is that of .*x/a"):
        joined(known, [(SlideEntry("a", files / "y/a.svs"), True)], never)
    scenes = [(SlideEntry(f"s{n}", files / "x/a.svs", scene=str(n)), True) for n in (1, 2)]
    every = joined(known, scenes, never)
    assert [(e.name, e.scene) for e in every.entries] == [("a", ""), ("s1", "1"), ("s2", "2")]
    once_more = joined(every.entries, scenes, never)
    assert once_more.entries == every.entries


def test_a_sheet_is_read_as_it_was_written(files, monkeypatch):
    odd = files / "x" / 'it\'s "odd"; a.svs'
    odd.write_bytes(b"")
    (files / "r 1.geojson").touch()
    entries = [
        SlideEntry("a", odd, 0.25, "2", (files / "r 1.geojson",), further={"p q": 'say "x"'}),
        SlideEntry("b", Path("x/b.svs"), None, tissue="r 1.geojson", further={"group": "é"}),
        SlideEntry("c", Path("x/b.svs"), None, tissue="all"),
        SlideEntry("d", Path("x/b.svs"), nuclei=Path("r 1.geojson"), nuclei_classes="1=a b"),
    ]
    monkeypatch.chdir(files)
    write_sheet(files / "s.tsv", entries)
    monkeypatch.chdir("/")
    one, two, three, four = read_sheet(files / "s.tsv", beside=False)
    assert (one.path, one.mpp, one.scene, one.regions) == (
        odd,
        0.25,
        "2",
        (files / "r 1.geojson",),
    )
    assert one.further == {"p q": 'say "x"', "group": ""}
    assert (two.path, two.mpp, two.further["group"]) == (files / "x/b.svs", None, "é")
    assert (two.nuclei, two.nuclei_mpp) == (None, None)
    assert (four.nuclei, four.nuclei_classes) == (files / "r 1.geojson", "1=a b")
    assert (two.tissue, three.tissue) == (f"{files}/r 1.geojson", "all")


def test_regions_beside_a_slide_are_found_again(files):
    (files / "x/a.geojson").touch()
    entries = read_sheet(files / "x/a.svs")
    assert entries[0].regions
    write_sheet(files / "s.tsv", entries)
    assert (files / "s.tsv").read_text() == f"slide\tpath\na\t{files}/x/a.svs\n"
    assert read_sheet(files / "s.tsv") == entries
