"""`stitch`: every nucleus once, neighbours together on disk; parts of two runs are refused."""

import json

import numpy as np
import pytest
from stores import frame_of, nucleus_facts
from tables_made import nuclei_at

from nucwsi.config import StitchSettings
from nucwsi.errors import StoreError
from nucwsi.io.nuclei.parquet import iter_tables, read_facts, write_nuclei
from nucwsi.nuclei.hilbert import hilbert_key
from nucwsi.nuclei.table import NucleusTable
from nucwsi.steps import stitch as module
from nucwsi.steps.stitch import stitch

CLASSES = ("epithelial", "spindle")
FRAME = frame_of((1000, 1000))
SETTINGS = StitchSettings(row_group=1024)


def some(n, seed=0):
    rng = np.random.default_rng(seed)
    return nuclei_at(rng.uniform(50, 1900, (n, 2)), CLASSES, rng.dirichlet([1, 1], n), seed)


def dealt(folder, table, parts, **facts):
    """Write a table as so many parts, nucleus by nucleus in turn."""
    paths = []
    for part in range(1, parts + 1):
        said = nucleus_facts(
            FRAME, 256, CLASSES, contrasts=2, kind="part", part=part, parts=parts, **facts
        )
        said = said.with_(n_dropped={"epithelial": part, "spindle": 0})
        paths.append(folder / f"{part}-of-{parts}.parquet")
        mine = table.take(np.arange(part - 1, len(table), parts))
        write_nuclei(paths[-1], [mine] if len(mine) else [], said, 100)
    return paths


def stitched(folder, paths):
    stitch(paths, folder / "nuclei.parquet", folder / "seams.json", SETTINGS)
    return list(iter_tables(folder / "nuclei.parquet"))


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("bucket", [7, 8192])
def test_every_nucleus_is_there_once_along_the_curve(tmp_path, monkeypatch, parts, bucket):
    monkeypatch.setattr(module, "AT_ONCE", bucket)
    table = some(100)
    found = NucleusTable.concatenated(stitched(tmp_path, dealt(tmp_path, table, parts)[::-1]))
    order = np.argsort(hilbert_key(table.row, table.column, 2000.0), kind="stable")
    for name, values in vars(table.take(order)).items():
        np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)


def test_the_whole_slide_is_one_part_and_drops_add_up(tmp_path):
    stitched(tmp_path, dealt(tmp_path, some(40), 3))
    facts = read_facts(tmp_path / "nuclei.parquet")
    assert (facts.kind, facts.part, facts.parts) == ("nuclei", 1, 1)
    assert facts.n_dropped == {"epithelial": 1 + 2 + 3, "spindle": 0}
    assert json.loads((tmp_path / "seams.json").read_text())["exact"] is True


def test_a_nucleus_that_two_parts_own_is_refused(tmp_path):
    one, other = dealt(tmp_path, some(40), 2)
    write_nuclei(other, [some(40)], read_facts(other, "part"), 100)
    with pytest.raises(StoreError, match=r"20 nuclei are owned twice \(the first is 0\)"):
        stitched(tmp_path, [one, other])
    assert not (tmp_path / "nuclei.parquet").exists()


@pytest.mark.parametrize("given", [(0,), (0, 0, 1), (1, 2)])
def test_every_part_is_needed_once(tmp_path, given):
    paths = dealt(tmp_path, some(40), 3)
    with pytest.raises(StoreError, match="a slide of 3 parts needs each of them once, got"):
        stitched(tmp_path, [paths[number] for number in given])


@pytest.mark.parametrize(
    "other", [{"slide_checksum": "f" * 32}, {"segment": {"np_level": 9}}, {"views": 8}]
)
def test_parts_of_two_runs_are_refused(tmp_path, other):
    first, _ = dealt(tmp_path, some(40), 2)
    (tmp_path / "other").mkdir()
    _, second = dealt(tmp_path / "other", some(40), 2, **other)
    with pytest.raises(StoreError, match=f"parts 1 and 2 differ in {next(iter(other))}"):
        stitched(tmp_path, [first, second])


def test_no_nuclei_are_a_table_without_rows(tmp_path):
    assert (
        sum(len(t) for t in stitched(tmp_path, dealt(tmp_path, some(1).take(np.arange(0)), 2))) == 0
    )
