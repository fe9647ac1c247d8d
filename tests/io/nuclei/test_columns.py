"""What becomes columns becomes the same nuclei again, and the columns are those of the schema."""

import numpy as np
import pytest
from tables_made import assert_same_nuclei, nuclei_at

from nucwsi.io.nuclei.columns import FEATURES, from_arrow, schema_of, to_arrow

CLASSES = ("epithelial", "spindle", "other")


@pytest.mark.parametrize("n", [0, 1, 30])
def test_nuclei_come_back_from_their_columns(n):
    rng = np.random.default_rng(n)
    places, share = rng.uniform(50, 900, (n, 2)), rng.dirichlet(np.ones(3), n).reshape(n, 3)
    table = nuclei_at(places, CLASSES, share, 1)
    batch = to_arrow(table, CLASSES)
    n_contrasts = table.contrasts.shape[1] // len(CLASSES)
    assert batch.schema.equals(schema_of(CLASSES, n_contrasts))
    assert_same_nuclei(from_arrow(batch, CLASSES), table)


def test_without_contrasts_there_is_no_disagreement():
    names, more = schema_of(CLASSES, 0).names, schema_of(CLASSES, 1).names
    assert set(more) - set(names) == {"disagreement", *(f"contrast1_{name}" for name in CLASSES)}
    assert set(FEATURES) < set(names)
