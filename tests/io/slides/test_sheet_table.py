"""The cells of a slide sheet: what spreadsheets leave in them is taken away."""

import pytest

from nucwsi.io.slides.sheet_table import read_rows, stripped


def test_blanks_and_marks_around_a_cell_are_taken_away():
    assert stripped("\ufeff a b\u200b\n") == "a b"
    assert stripped("\u2060 ") == ""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_are_those_with_content(tmp_path, end):
    path = tmp_path / "s.csv"
    path.write_bytes(end.join(["slide,path,", "", "# no,x", " a ,b,,", ",,"]).encode())
    assert read_rows(path) == (["slide", "path"], [["a", "b", "", ""]])


def test_an_empty_table_has_neither_columns_nor_rows(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("# nothing\n\t\t\n")
    assert read_rows(path) == ([], [])
