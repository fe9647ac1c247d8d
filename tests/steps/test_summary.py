"""`summary`: the tables of several slides as one, or the counts of the CoNIC challenge."""

import re

import pandas as pd
import pytest
from commands import refused, succeeded
from tables_made import write_result

from nucwsi.classes import CONIC


@pytest.fixture
def two_slides(tmp_path):
    paths = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        nuclei, _, _ = write_result(folder, 200, seed=seed)
        tables = [folder / f"{name}.csv" for name in ("composition", "morphometry", "neighbours")]
        more = ("--morphometry", tables[1], "--neighbours", tables[2])
        succeeded("compose", nuclei, "-o", tables[0], *more)
        paths.append(tables)
    return list(zip(*paths, strict=True))


def test_summary_joins_each_table(two_slides, tmp_path):
    for tables in two_slides:
        succeeded("summary", *tables, "-o", tmp_path / "all.csv")
        joined = pd.read_csv(tmp_path / "all.csv")
        every = pd.concat([pd.read_csv(path) for path in tables], ignore_index=True)
        pd.testing.assert_frame_equal(joined, every)
    line = refused("summary", two_slides[0][0], two_slides[1][1], "-o", tmp_path / "no.csv")
    assert "its columns differ from those of" in line
    assert not (tmp_path / "no.csv").exists()


def test_slides_with_nuclei_of_others_have_empty_cells_of_classes_that_they_lack(
    two_slides, tmp_path
):
    one = two_slides[0][0]
    nuclei, _, _ = write_result(tmp_path / "theirs", 10, classes=("epithelial", "tumour"))
    succeeded("compose", nuclei, "-o", tmp_path / "theirs.csv")
    both = (one, tmp_path / "theirs.csv")
    assert "its columns differ" in refused("summary", *both, "-o", tmp_path / "all.csv")
    succeeded("summary", *both, "--any-classes", "-o", tmp_path / "all.csv")
    joined = pd.read_csv(tmp_path / "all.csv")
    ours, theirs = (pd.read_csv(path) for path in both)
    assert set(joined) == set(ours) | set(theirs)
    pd.testing.assert_frame_equal(joined[: len(ours)][ours.columns], ours, check_dtype=False)
    assert joined["n_tumour"].isna().tolist() == [True] * len(ours) + [False] * len(theirs)
    assert joined["n_tumour"].iloc[-1] == theirs["n_tumour"].iloc[-1]


def test_counts_for_the_conic_challenge(two_slides, tmp_path):
    one, other = two_slides[0]
    succeeded("summary", other, one, "--conic", "-o", tmp_path / "counts.csv")
    found = pd.read_csv(tmp_path / "counts.csv")
    assert list(found.columns) == list(CONIC), "its scorer takes no other column"
    rows = [pd.read_csv(path).iloc[0] for path in (other, one)]
    assert found.to_numpy().tolist() == [[row[f"n_{n}"] for n in CONIC] for row in rows]
    nuclei, _, _ = write_result(tmp_path / "coarse", 10, classes=("epithelial", "other"))
    succeeded("compose", nuclei, "-o", tmp_path / "coarse.csv")
    line = refused("summary", tmp_path / "coarse.csv", "--conic", "-o", tmp_path / "no.csv")
    assert "no composition of a slide with the classes of CoNIC" in line


def test_a_table_that_is_missing_or_no_text_is_named_and_nothing_is_left(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"slide\xff\n")
    for name, message in (("a.csv", "is no table of nucwsi"), ("b.csv", "does not exist; run")):
        assert message in refused("summary", tmp_path / name, "-o", tmp_path / "all.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], r"has \d+ cells, expected|ends in the middle"),
        (lambda text: text.replace(",tissue,", ",tissue", 1), r"row 2 has \d+ cells, expected"),
        (lambda text: text.replace("tissue", '"tissue', 1), "unexpected end of data"),
        (lambda text: text.replace("n_nuclei", "n_nuclej", 1), "its columns differ from those"),
        (lambda text: text.replace(",tissue,", ",tissue,x", 1), "expected a number"),
        (lambda text: "", r"no column `slide`"),
        (lambda text: "\ufeff" + text, r"no column `slide`"),
    ],
)
def test_a_damaged_table_is_named_and_nothing_is_written(two_slides, tmp_path, change, message):
    sound, path = two_slides[0]
    damaged = tmp_path / "damaged.csv"
    damaged.write_text(change(path.read_text("utf-8")), "utf-8")
    line = refused("summary", sound, damaged, "-o", tmp_path / "no.csv")
    assert f"{damaged}: " in line
    assert re.search(message, line)
    assert not (tmp_path / "no.csv").exists()


def test_a_table_without_rows_is_joined(two_slides, tmp_path):
    """A slide without nuclei has no morphometry."""
    one = two_slides[1][0]
    (tmp_path / "none.csv").write_text(one.read_text("utf-8").partition("\n")[0] + "\n", "utf-8")
    succeeded("summary", tmp_path / "none.csv", one, "-o", tmp_path / "all.csv")
    assert (tmp_path / "all.csv").read_bytes() == one.read_bytes()
