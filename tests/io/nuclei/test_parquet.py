"""The table of nuclei: what is written is read, in row groups, and what is no table is named."""

import csv
import itertools
import json
import zipfile
from dataclasses import replace

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stores import frame_of, nucleus_facts
from tables_made import assert_same_nuclei, nuclei_at

from nucwsi.errors import StoreError
from nucwsi.facts import FORMAT_VERSION
from nucwsi.io.nuclei import parquet
from nucwsi.io.nuclei.flat_tables import write_nuclei_csv
from nucwsi.io.nuclei.geodataframe import read_trust
from nucwsi.io.nuclei.parquet import iter_batches, iter_tables, open_table, read_facts, write_nuclei
from nucwsi.io.nuclei.qupath import write_nuclei_zip
from nucwsi.io.nuclei.stored_columns import iter_columns, read_columns
from nucwsi.nuclei.domain import Domain
from nucwsi.nuclei.miscount import Miscount
from nucwsi.nuclei.table import NucleusTable
from nucwsi.nuclei.taught import Taught

CLASSES = ("epithelial", "spindle")
FACTS = nucleus_facts(
    frame_of((500, 500)), classes=CLASSES, contrasts=2, count_error={"spindle": 0.1}
)


def some(n, seed=0):
    rng = np.random.default_rng(seed)
    return nuclei_at(rng.uniform(50, 900, (n, 2)), CLASSES, rng.dirichlet([1, 1], n), seed)


def test_a_table_is_never_in_memory_as_a_whole(tmp_path, monkeypatch):
    """What was read of one row group is free before the next ones are."""
    monkeypatch.setattr(parquet, "AT_ONCE", 500)
    path, most = tmp_path / "n.parquet", 0
    write_nuclei(path, (some(500, seed) for seed in range(24)), FACTS, 500)
    before = pa.total_allocated_bytes()
    for _ in iter_batches(path):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < path.stat().st_size / 2


@pytest.mark.parametrize("row_group", [1, 7, 40, 1000])
@pytest.mark.parametrize("sizes", [(40,), (1, 0, 38, 1), (13, 14, 13)])
def test_every_value_comes_back_in_order(tmp_path, row_group, sizes):
    table, stops = some(40), np.cumsum((0, *sizes))
    pieces = [table.take(np.arange(a, b)) for a, b in itertools.pairwise(stops)]
    write_nuclei(tmp_path / "n.parquet", [p for p in pieces if len(p)], FACTS, row_group)
    back = list(iter_tables(tmp_path / "n.parquet"))
    found = NucleusTable.concatenated(back)
    for name, values in vars(table).items():
        np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)
    groups = [len(group["id"]) for group in iter_columns(tmp_path / "n.parquet", ["id"])]
    assert sum(groups) == 40
    assert set(groups[:-1]) <= {row_group}


def test_the_answers_of_the_networks_are_kept_beside_those_of_a_classifier(tmp_path):
    taught = Taught(
        name="=mine",
        checksum="0" * 32,
        network_classes=FACTS.classes,
        extends=False,
        labels={"mitosis": 12},
        accuracy=0.8,
        network_accuracy=0.7,
        commonest_accuracy=0.6,
    )
    facts = FACTS.with_(classes=("mitosis", "+rest"), taught=taught, contrasts=0, count_error={})
    table = some(20)
    shares = np.column_stack([np.linspace(0, 1, 20), np.linspace(1, 0, 20)]).astype(np.float32)
    given = replace(
        table,
        class_code=shares.argmax(axis=1).astype(np.uint8),
        class_probabilities=shares,
        contrasts=np.zeros((20, 0), np.float32),
        network_probabilities=table.class_probabilities,
    )
    path = tmp_path / "n.parquet"
    write_nuclei(path, [given], facts, 7)
    assert read_facts(path) == facts
    back = NucleusTable.concatenated(list(iter_tables(path)))
    for name, values in vars(given).items():
        np.testing.assert_array_equal(getattr(back, name), values, err_msg=name)
    frame = geopandas.read_parquet(path)
    assert list(frame["class"]) == [facts.classes[code] for code in given.class_code]
    assert list(frame["network_class"]) == [FACTS.classes[code] for code in table.class_code]
    write_nuclei_csv(tmp_path / "n.csv", path)
    lines = list(csv.DictReader((tmp_path / "n.csv").read_text().splitlines()))
    assert {line["class"] for line in lines} == {"mitosis", "'+rest"}
    assert [line["network_class"] for line in lines] == list(frame["network_class"])


def test_no_nuclei_are_a_table_too(tmp_path):
    write_nuclei(tmp_path / "n.parquet", [], FACTS, 10)
    assert len(geopandas.read_parquet(tmp_path / "n.parquet")) == 0
    assert read_columns(tmp_path / "n.parquet", ["id"])["id"].shape == (0,)


def test_facts_come_back_and_geopandas_hands_on_the_errors_of_counts(tmp_path):
    write_nuclei(tmp_path / "n.parquet", [some(3)], FACTS, 10)
    assert read_facts(tmp_path / "n.parquet") == FACTS
    assert geopandas.read_parquet(tmp_path / "n.parquet").attrs["count_error"] == {"spindle": 0.1}
    unit = tuple(tuple(float(row == column) for column in range(6)) for row in range(6))
    known = FACTS.with_(
        miscount=Miscount(0.5, 0.1, {"spindle": 1.0}),
        domain=Domain((0.0,) * 6, unit, 3.0),
        colour=(1, 2, 3, 4),
    )
    write_nuclei(tmp_path / "n.parquet", [some(3)], known, 10)
    assert read_facts(tmp_path / "n.parquet") == known
    frame = geopandas.read_parquet(tmp_path / "n.parquet")
    error, look = read_trust(frame, CLASSES)
    assert (error.lone, error.common, error.confusion.tolist()) == (0.5, 0.1, [0.0, 1.0])
    assert look.domain == known.domain
    assert look.colour == (1, 2, 3, 4)
    np.testing.assert_array_equal(look.certainty, frame["probability"])


def test_what_was_dropped_is_asked_after_the_last_nucleus(tmp_path):
    dropped = {"epithelial": 0, "spindle": 0}

    def tables():
        yield some(3)
        dropped["spindle"] = 5

    write_nuclei(
        tmp_path / "n.parquet", tables(), FACTS, 10, counted=lambda: {"n_dropped": dict(dropped)}
    )
    assert read_facts(tmp_path / "n.parquet").n_dropped == {"epithelial": 0, "spindle": 5}


def test_the_disagreement_of_a_nucleus_is_a_column(tmp_path):
    table = some(5)
    write_nuclei(tmp_path / "n.parquet", [table], FACTS, 10)
    column = read_columns(tmp_path / "n.parquet", ["disagreement"])["disagreement"]
    own = table.contrasts.reshape(5, 2, 2)[np.arange(5), :, table.class_code]
    np.testing.assert_allclose(column, np.hypot(own[:, 0], own[:, 1]), rtol=1e-6)


def test_a_part_is_no_whole_table(tmp_path):
    write_nuclei(tmp_path / "n.parquet", [some(3)], FACTS.with_(kind="part"), 10)
    with pytest.raises(StoreError, match="holds 'part', expected 'nuclei'"):
        read_facts(tmp_path / "n.parquet")
    assert read_facts(tmp_path / "n.parquet", "part").kind == "part"


def test_a_table_of_a_newer_format_is_refused(tmp_path):
    path = tmp_path / "n.parquet"
    write_nuclei(path, [some(3)], FACTS, 10)
    table = pq.read_table(path)
    facts = {**FACTS.to_json(), "version": FORMAT_VERSION + 1}
    pq.write_table(table.replace_schema_metadata({"nucwsi": json.dumps(facts)}), path)
    with pytest.raises(StoreError, match=r"n\.parquet: .* newer .* update nucwsi"):
        read_facts(path)


def contents(path):
    """All that is read of a table, by all of its readers."""
    write_nuclei_csv(path.with_suffix(".csv"), path)
    return (
        read_facts(path),
        [{n: v.tolist() for n, v in vars(t).items() if v is not None} for t in iter_tables(path)],
        read_columns(path, ["id", "row", "p_spindle", "at_edge"])["p_spindle"].tolist(),
        [batch.to_pylist() for batch in iter_batches(path, ["column", "class"])],
        path.with_suffix(".csv").read_bytes(),
    )


def footer_of(content):
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


@pytest.mark.parametrize("where", ["pages", "footer"])
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path, where):
    """It may lie in what nobody reads, such as a checksum of the least value of a page."""
    path, damaged = tmp_path / "n.parquet", tmp_path / "damaged.parquet"
    write_nuclei(path, [some(60)], FACTS, 25)
    content, expected, told = path.read_bytes(), contents(path), []
    start, stop = (0, footer_of(content)) if where == "pages" else (footer_of(content), None)
    places = range(*slice(start, stop).indices(len(content)))
    rng = np.random.default_rng(3)
    for place in rng.choice(places, 150, replace=False).tolist():
        wrong = bytearray(content)
        wrong[place] ^= 1 << int(rng.integers(8))
        damaged.write_bytes(wrong)
        try:
            assert contents(damaged) == expected, (place, wrong[place])
        except StoreError as error:
            told.append(str(error))
    assert len(told) > (100 if where == "pages" else 20)
    assert all(line.startswith(f"{damaged}: ") for line in told)


def test_a_page_that_is_other_numbers_is_refused_by_every_reader(tmp_path):
    path = tmp_path / "n.parquet"
    write_nuclei(path, [some(60)], FACTS, 100)
    about = pq.ParquetFile(path).metadata.row_group(0)
    names = [about.column(at).path_in_schema for at in range(about.num_columns)]
    page = about.column(names.index("p_spindle"))
    content = bytearray(path.read_bytes())
    content[page.data_page_offset + page.total_compressed_size - 3] ^= 1
    path.write_bytes(content)
    for read in (
        lambda: list(iter_tables(path)),
        lambda: list(iter_batches(path)),
        lambda: list(iter_columns(path, ["p_spindle"])),
        lambda: read_columns(path, ["id", "p_spindle"]),
        lambda: write_nuclei_csv(tmp_path / "n.csv", path),
    ):
        with pytest.raises(
            StoreError, match=r"n\.parquet: .* is damaged .*make it with `nucwsi st"
        ):
            read()
    assert not (tmp_path / "n.csv").exists()


def test_the_facts_in_the_footer_are_those_that_were_written(tmp_path):
    path = tmp_path / "n.parquet"
    write_nuclei(path, [some(3)], FACTS, 10)
    content = path.read_bytes()
    assert content.count(b'"mpp": 0.5') == 1
    path.write_bytes(content.replace(b'"mpp": 0.5', b'"mpp": 0.7'))
    with pytest.raises(StoreError, match="the checksum of its facts differs"):
        read_facts(path)


def test_checksums_change_no_value_and_cost_little(tmp_path):
    """Other programs read the table as they read one without checksums."""
    path = tmp_path / "n.parquet"
    write_nuclei(path, [some(2000)], FACTS, 1000)
    table = pq.read_table(path)
    plain = tmp_path / "plain.parquet"
    pq.write_table(table, plain, compression="zstd", use_dictionary=["class"], row_group_size=1000)
    assert pq.read_table(plain).equals(table)
    assert path.stat().st_size < 1.15 * plain.stat().st_size


@pytest.mark.parametrize("what", ["absent", "text", "another table"])
def test_what_is_no_table_of_nuclei_is_named(tmp_path, what):
    path = tmp_path / "n.parquet"
    if what == "text":
        path.write_text("id,row,column\n")
    if what == "another table":
        pq.write_table(pa.table({"id": [1]}), path)
    with pytest.raises(StoreError, match=r"n\.parquet: (does not exist|is not a nucwsi table)"):
        open_table(path)


@pytest.mark.parametrize("gap", [None, np.nan, np.inf])
@pytest.mark.parametrize("name", ["p_spindle", "area_um2", "row", "probability"])
def test_a_value_that_is_missing_or_not_finite_is_refused(tmp_path, name, gap):
    """Also where all checksums are right: another program may have written the table anew."""
    path = tmp_path / "n.parquet"
    write_nuclei(path, [some(60)], FACTS, 25)
    with pq.ParquetFile(path) as file:
        table, noted = file.read(), file.metadata.metadata
    at = table.column_names.index(name)
    values = table.column(at).to_pylist()
    values[40] = gap
    spoilt = table.set_column(at, name, pa.array(values, table.schema.field(at).type))
    pq.write_table(spoilt.replace_schema_metadata({b"nucwsi": noted[b"nucwsi"]}), path)
    for read in (lambda: list(iter_tables(path)), lambda: read_columns(path, ["id", name])):
        with pytest.raises(StoreError, match=rf"n\.parquet: .*`{name}` is (missing|not finite)"):
            read()


def test_a_class_that_the_facts_do_not_name_is_refused(tmp_path):
    path = tmp_path / "n.parquet"
    write_nuclei(path, [some(20)], FACTS, 25)
    with pq.ParquetFile(path) as file:
        table, noted = file.read(), file.metadata.metadata
    at = table.column_names.index("class")
    renamed = pa.array(["other"] * 19 + ["tumour"], table.schema.field(at).type)
    spoilt = table.set_column(at, "class", renamed)
    pq.write_table(spoilt.replace_schema_metadata({b"nucwsi": noted[b"nucwsi"]}), path)
    with pytest.raises(StoreError, match=r"n\.parquet: is not a nucwsi table of nuclei"):
        list(iter_tables(path))


def test_facts_that_are_nested_without_end_are_refused(tmp_path):
    path = tmp_path / "n.parquet"
    deep = b"[" * 100_000 + b"]" * 100_000
    pq.write_table(pa.table({"id": [1]}).replace_schema_metadata({b"nucwsi": deep}), path)
    with pytest.raises(StoreError, match=r"n\.parquet: is not a nucwsi table of nuclei"):
        open_table(path)


#: Of a polygon in WKB: where its second corner begins (with another first one its ring is not
#: closed), and a number that is none, over which numpy may warn.
_CORNER, _NO_NUMBER = 29, bytes.fromhex("010000000000f07f")


@pytest.mark.parametrize(
    "damage",
    [lambda wkb: wkb[:40], lambda wkb: wkb[:_CORNER] + _NO_NUMBER + wkb[_CORNER + 8 :]],
    ids=["cut off", "no number"],
)
def test_an_outline_that_is_none_is_refused_where_nothing_else_vouches_for_it(tmp_path, damage):
    path = tmp_path / "n.parquet"
    write_nuclei(path, [some(20)], FACTS, 25)
    with pq.ParquetFile(path) as file:
        table, noted = file.read(), file.metadata.metadata
    at = table.column_names.index("geometry")
    outlines = table.column(at).to_pylist()
    outlines[7] = damage(outlines[7])
    spoilt = table.set_column(at, "geometry", pa.array(outlines, pa.binary()))
    pq.write_table(spoilt.replace_schema_metadata({b"nucwsi": noted[b"nucwsi"]}), path)
    with pytest.raises(StoreError, match=r"n\.parquet: is not a nucwsi table of nuclei, or is dam"):
        list(iter_tables(path))


def test_each_nucleus_has_its_id_of_qupath_and_parts_have_none(tmp_path):
    path, part = tmp_path / "n.parquet", tmp_path / "p.parquet"
    write_nuclei(path, [some(60)], FACTS, 25)
    write_nuclei(part, [some(60)], FACTS.with_(kind="part"), 25)
    frame = geopandas.read_parquet(path)
    classes = FACTS.classes
    how = {"slide": FACTS.slide, "classes": classes, "origin": (0.0, 0.0), "nuclei_per_file": 99}
    write_nuclei_zip(tmp_path / "a.zip", iter_tables(path), **how)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        shown = json.loads(archive.read(archive.namelist()[0]))["features"]
    in_qupath = {one["id"]: one["properties"]["nucleus_id"] for one in shown}
    assert dict(zip(frame["qupath_id"], frame["id"], strict=True)) == in_qupath
    assert "qupath_id" not in geopandas.read_parquet(part)


def test_a_table_without_ids_of_qupath_is_read_as_before(tmp_path):
    path, old = tmp_path / "n.parquet", tmp_path / "old.parquet"
    write_nuclei(path, [some(60)], FACTS, 25)
    table = pq.read_table(path).drop_columns(["qupath_id"])
    with pq.ParquetWriter(old, table.schema, write_page_checksum=True) as writer:
        writer.write_table(table, row_group_size=25)
        about = pq.ParquetFile(path).metadata.metadata
        writer.add_key_value_metadata({k: v for k, v in about.items() if k != b"ARROW:schema"})
    assert_same_nuclei(*(NucleusTable.concatenated(list(iter_tables(p))) for p in (old, path)))
