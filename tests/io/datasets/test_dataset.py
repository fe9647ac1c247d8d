"""Readers: all are offered, and each refuses a folder in another layout."""

import pytest

from nucwsi.cli.training import LAYOUTS
from nucwsi.errors import DataError
from nucwsi.io.datasets import READERS
from nucwsi.io.datasets.dataset import tcga_patient


def test_every_reader_is_offered_by_the_command_line():
    assert tuple(READERS) == LAYOUTS


@pytest.mark.parametrize("layout", READERS)
def test_another_layout_is_refused_with_what_was_expected(layout, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "readme.txt").write_text("no data")
    for folder in (tmp_path / "source", tmp_path / "nowhere"):
        with pytest.raises(DataError, match=rf"{folder.name}.*; (expected|make it)"):
            READERS[layout](folder)


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("TCGA-2Z-A9JG-01Z-00-DX1_1", "TCGA-2Z-A9JG"),
        ("TCGA-2Z-A9JG", "TCGA-2Z-A9JG"),
        ("TCGA-2Z-A9JGX", ""),
        ("x-TCGA-2Z-A9JG", ""),
    ],
)
def test_a_barcode_names_its_patient(name, patient):
    assert tcga_patient(name) == patient
