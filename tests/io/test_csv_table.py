"""Tables as CSV: numbers that any program reads back, and a file that is whole or absent."""

import csv
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucwsi.errors import StoreError
from nucwsi.io.csv_table import harmless, original, read_csv, write_csv


def cells(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "0.1"),
        (1 / 3, "0.33333333"),
        (np.float32(0.1), "0.1"),
        (12345.678912, "12345.679"),
        (2.0, "2"),
        (-0.0, "0"),
        (999999999999999.0, "999999999999999"),
        (1e15, "1e+15"),
        (1e-7, "1e-07"),
        (np.nan, ""),
        (np.inf, ""),
    ],
)
def test_numbers_are_short_and_exact_to_eight_digits(tmp_path, value, expected):
    write_csv(tmp_path / "t.csv", {"x": np.array([value])})
    assert cells(tmp_path / "t.csv") == [["x"], [expected]]


def test_rows_and_columns_keep_their_order_and_texts_are_quoted(tmp_path):
    columns = {
        "name": np.array(['a,b "c"', "µ\nd"], object),
        "n": np.array([3, 2**53 + 1]),
        "is": np.array([True, False]),
    }
    write_csv(tmp_path / "t.csv", columns)
    assert cells(tmp_path / "t.csv") == [
        ["name", "n", "is"],
        ['a,b "c"', "3", "True"],
        ["µ\nd", "9007199254740993", "False"],
    ]
    assert b"\r" not in (tmp_path / "t.csv").read_bytes()


def test_columns_of_two_lengths_leave_the_old_table(tmp_path):
    write_csv(tmp_path / "t.csv", {"x": np.array([1])})
    with pytest.raises(ValueError, match="shorter"):
        write_csv(tmp_path / "t.csv", {"x": np.array([1, 2]), "y": np.array([1])})
    assert cells(tmp_path / "t.csv") == [["x"], ["1"]]
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"t\.csv"):
        write_csv(tmp_path / "file" / "t.csv", {"x": np.array([1])})


#: What a spreadsheet would execute or could be made to; DDE calls begin with any of these.
HARMFUL = [
    *("=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "-lead", "=cmd|'/c calc'!A0"),
    *("'=1", "''=1", "' =1", "'\t"),
]

HARMLESS = ["a=1", "case-1", "'s-Gravenhage", "", " a", "'", "1e5", "NA", "Müller", "a\tb", "(-1)"]

#: How docs/outputs.md takes the apostrophe away.
IN_PANDAS = r"^'(?=['\s]*[=+@＝＋＠－-])"


@given(st.text(alphabet="'=+-@＝ \t\ra1,\"\n"))
def test_every_text_comes_back_and_no_text_begins_like_a_formula(text):
    assert original(harmless(text)) == text
    assert harmless(text)[:1] not in {*"=+-@＝＋－＠\t\r"}
    assert harmless(text).strip()[:1] not in {*"=+-@＝＋－＠"}


def test_only_what_begins_like_a_formula_is_changed():
    assert [harmless(text) for text in HARMFUL] == [f"'{text}" for text in HARMFUL]
    assert [harmless(text) for text in HARMLESS] == HARMLESS


def test_cells_and_columns_are_harmless_and_read_back(tmp_path):
    # A name never holds a line break: `io.regions.files` puts it on one line.
    texts = [text for text in [*HARMFUL, *HARMLESS] if "\r" not in text]
    columns = {"=name": np.array(texts, object), "n": np.arange(len(texts)) - 2.5}
    write_csv(tmp_path / "t.csv", columns)
    head, *rows = cells(tmp_path / "t.csv")
    assert head == ["'=name", "n"]
    assert [row[0] for row in rows] == list(map(harmless, texts))
    assert rows[0][1] == "-2.5", "a number stays a number"
    read = read_csv(tmp_path / "t.csv", ["=name"])
    assert [row["=name"] for row in read] == texts


def test_the_documented_line_brings_every_text_back_in_pandas(tmp_path):
    texts = [text for text in [*HARMFUL, *HARMLESS] if text and not {"\t", "\r"} & set(text)]
    write_csv(tmp_path / "t.csv", {"name": np.array(texts, object)})
    table = pd.read_csv(tmp_path / "t.csv", keep_default_na=False, dtype={"name": str})
    assert table["name"].str.replace(IN_PANDAS, "", regex=True).tolist() == texts


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"no column `a`"),
        (b"b\n1\n", r"is not a table of nucwsi \(no column `a`\); run `nucwsi compose`"),
        (b"a,b\n1\n", "row 1 has 1 cells, expected 2"),
        (b"a,b\n1,2\n3,4,5\n", "row 2 has 3 cells, expected 2"),
        (b"a\n\xff\n", "cannot be read"),
        (b"a\n" + b"x" * 200_000, "cannot be read .field larger"),
        (b"a,b\n1,2\n3,4", "ends in the middle of row 2"),
        (b'a,b\n1,2\n3,"4\n', "unexpected end of data"),
        (b"a,a\n1,2\n", "two columns are named 'a'"),
        (b"a\n\0\n", "holds 1 null bytes"),
        ("a\n1\n".encode("utf-16"), "cannot be read"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, data, message):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(StoreError, match=rf"t\.csv: .*{message}"):
        read_csv(tmp_path / "t.csv", ["a"])


def test_a_table_that_is_missing_or_no_file_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"none\.csv: does not exist; run `nucwsi compose`"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(StoreError, match="cannot be read"):
        read_csv(tmp_path)


@pytest.mark.parametrize("cell", ["1s", "3;5", "0x1", "nan", "1,5", " 1", "1.", "--1", "1e5", "١"])
def test_text_where_a_number_is_expected_is_refused(tmp_path, cell):
    """Such as a digit of which one bit was flipped."""
    (tmp_path / "t.csv").write_text(f'slide,n\na,1\nb,"{cell}"\n', "utf-8")
    assert len(read_csv(tmp_path / "t.csv")) == 2
    with pytest.raises(StoreError, match=r"t\.csv: row 2 has .* as `n`, expected a number; run"):
        read_csv(tmp_path / "t.csv", texts=["slide"])


def test_every_number_that_is_written_is_read_as_one(tmp_path):
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=99) * 10.0 ** rng.integers(-30, 30, 99), [0, 1e15]])
    columns = {"x": values, "n": np.arange(101), "m": np.full(101, np.nan)}
    write_csv(tmp_path / "t.csv", columns)
    rows = read_csv(tmp_path / "t.csv", texts=())
    np.testing.assert_allclose([float(row["x"]) for row in rows], values, rtol=1e-7)
    assert {row["m"] for row in rows} == {""}


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(StoreError, match="is a pipe or a device, expected a file"):
        read_csv(tmp_path / "t.csv")
