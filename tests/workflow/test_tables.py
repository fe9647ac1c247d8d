"""The tables of a cohort follow from its settings and classes, and from who found the nuclei."""

from pathlib import Path

from nucwsi.classes import CONIC
from nucwsi.config import Config
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.workflow import tables
from nucwsi.workflow.tables import imported_slides, summary_words, table_names


def test_tables_follow_from_settings_and_classes(monkeypatch):
    assert table_names(Config(), {}) == ["composition", "morphometry", "neighbours"]
    none = Config.model_validate({"compose": {"neighbours_um": 0}})
    assert table_names(none, {}) == ["composition", "morphometry"]

    class Card:
        classes = CONIC[::-1]

    monkeypatch.setattr(tables, "read_cards", lambda members: [Card])
    assert table_names(none, {}) == ["composition", "morphometry", "conic_counts"]
    theirs = {"b": SlideEntry("b", Path("b.svs"), nuclei=Path("b.json"))}
    assert table_names(none, theirs) == ["composition", "morphometry"]


def test_slides_with_nuclei_of_others_are_joined_whatever_their_classes():
    ours = {"a": SlideEntry("a", Path("a.svs"))}
    both = ours | {"b": SlideEntry("b", Path("b.svs"), nuclei=Path("b.json"))}
    assert (imported_slides(ours), imported_slides(both)) == ([], ["b"])
    assert summary_words("composition", ours) == []
    assert summary_words("composition", both) == ["--any-classes"]
    assert summary_words("conic_counts", ours) == ["--conic"]
