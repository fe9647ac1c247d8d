"""The table of features: it belongs to its nuclei, and what is damaged is refused."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from nucwsi.errors import StoreError
from nucwsi.io.nuclei.features import (
    Described,
    feature_names,
    places_digest,
    read_features,
    write_features,
)

IDS = np.arange(20) * 7
DIGEST = places_digest(IDS, IDS * 0.5, IDS * 2.0)
VALUES = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
NAMES = ("area_um2", "=odd name", "entropy")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "features.parquet"
    parts = [Described(IDS[:12], VALUES[:12]), Described(IDS[12:], VALUES[12:])]
    write_features(path, NAMES, parts, DIGEST)
    return path


def test_every_value_comes_back_in_order(table):
    assert feature_names(table, DIGEST) == NAMES
    found = list(read_features(table, NAMES[::-1], DIGEST))
    np.testing.assert_array_equal(np.concatenate([one.id for one in found]), IDS)
    np.testing.assert_array_equal(np.concatenate([one.values for one in found]), VALUES[:, ::-1])
    frame = pd.read_parquet(table)
    assert list(frame) == ["id", *NAMES]


def test_no_nuclei_are_a_table_too(tmp_path):
    write_features(tmp_path / "f.parquet", NAMES, [], DIGEST)
    assert sum(len(one.id) for one in read_features(tmp_path / "f.parquet", NAMES, DIGEST)) == 0


def test_the_digest_is_that_of_ids_and_places():
    others = [(IDS + 1, IDS * 0.5, IDS * 2.0), (IDS, IDS * 0.5, IDS * 2.1), (IDS[:-1],) * 3]
    assert len({DIGEST, *(places_digest(*one) for one in others)}) == 4


def test_features_of_other_nuclei_are_refused(table):
    with pytest.raises(StoreError, match=r"features\.parquet: is of other nuclei .* again"):
        list(read_features(table, NAMES, "0" * 32))


def test_a_feature_that_is_missing_is_named(table):
    with pytest.raises(StoreError, match=r"features\.parquet: has no feature 'network_x'"):
        list(read_features(table, ("entropy", "network_x"), DIGEST))


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_feature_that_is_no_finite_number_is_named(tmp_path, odd):
    """Damage at random (seed 3, case 179): nuclei got other classes, and nothing was said."""
    values = VALUES.copy()
    values[7, 2] = odd
    write_features(tmp_path / "f.parquet", NAMES, [Described(IDS, values)], DIGEST)
    with pytest.raises(StoreError, match=r"f\.parquet: .* no finite number as 'entropy'; run"):
        list(read_features(tmp_path / "f.parquet", NAMES, DIGEST))
    assert len(list(read_features(tmp_path / "f.parquet", NAMES[:2], DIGEST))) == 1


def test_facts_of_a_hundred_thousand_levels_are_damage(table):
    """Damage at random (seed 3, case 143)."""
    features = pq.read_table(table)
    about = {b"nucwsi_features": b'{"version": 1, "nuclei": ' + b"[" * 100_000}
    pq.write_table(features.replace_schema_metadata(about), table)
    with pytest.raises(StoreError, match="is no table of features, or is damaged"):
        feature_names(table, DIGEST)


@pytest.mark.parametrize("damage", ["missing", "folder", "text", "foreign", "cut", "page"])
def test_what_is_no_table_of_features_is_refused_in_one_line(table, damage):
    data = table.read_bytes()
    table.unlink()
    if damage == "folder":
        table.mkdir()
    elif damage == "text":
        table.write_text("id,area\n1,2\n")
    elif damage == "foreign":
        pd.DataFrame({"id": IDS}).to_parquet(table)
    elif damage == "cut":
        table.write_bytes(data[: len(data) // 2])
    elif damage == "page":
        # Within the values of the first column, behind the header of its page.
        table.write_bytes(data[:80] + bytes([data[80] ^ 255]) + data[81:])
    with pytest.raises(StoreError, match=r"^[^\n]*features\.parquet: [^\n]*nucwsi features"):
        list(read_features(table, NAMES, DIGEST))
