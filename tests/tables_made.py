"""A slide's nuclei and tissue on disk, made without a slide and without a network."""

import numpy as np
import shapely
from stores import nucleus_facts

from nucwsi.classes import CONIC
from nucwsi.grid import Frame
from nucwsi.io.nuclei.parquet import write_nuclei
from nucwsi.io.regions.geojson import write_tissue
from nucwsi.nuclei.domain import Domain
from nucwsi.nuclei.hilbert import hilbert_key
from nucwsi.nuclei.miscount import Miscount
from nucwsi.nuclei.table import NucleusTable

ORIGIN = (4000.0, 700.0)  # row, column

#: Covariance of a domain.
DOMAIN_ROWS = tuple(tuple(float(row == column) for column in range(6)) for row in range(6))


def nuclei_at(centres, classes, probabilities, seed=0):
    """Make round nuclei of random size; `centres` are x and y in level-0 pixels."""
    rng = np.random.default_rng(seed)
    n, n_classes = probabilities.shape
    # Two contrasts. Of the last class the first is the same for all nuclei, as if a member found
    # more of it everywhere; all else is noise. Of what is certain there is none.
    contrasts = rng.normal(0, 0.02, (n, 2 * n_classes))
    contrasts[:, n_classes - 1] = 0.05
    contrasts[probabilities.max(axis=1) == 1] = 0
    radius = rng.uniform(6, 14, n)
    angle = np.linspace(0, 2 * np.pi, 17)
    ring = np.stack([np.cos(angle), np.sin(angle)], -1)
    ring[-1] = ring[0]
    outlines = shapely.polygons(
        np.round(centres[:, None] + radius[:, None, None] * ring[None], 2).reshape(n, 17, 2)
    )
    middle = shapely.get_coordinates(shapely.centroid(outlines)).reshape(n, 2)
    measures = rng.uniform(0.3, 0.9, (7, n)).astype(np.float32)
    measures[0] = shapely.area(outlines) * 0.0625
    names = ("area_um2", "perimeter_um", "major_axis_um", "minor_axis_um", "circularity")
    return NucleusTable(
        id=np.arange(n),
        row=middle[:, 1],
        column=middle[:, 0],
        class_code=probabilities.argmax(axis=1).astype(np.uint8),
        class_probabilities=probabilities.astype(np.float32),
        contrasts=contrasts.astype(np.float32),
        **dict(zip((*names, "solidity", "np_mean"), measures, strict=True)),
        at_edge=np.zeros(n, bool),
        escalated=np.zeros(n, bool),
        geometry=np.asarray(shapely.to_wkb(outlines), object),
        bounds=shapely.bounds(outlines).reshape(n, 4),
    )


def assert_same_nuclei(one, other):
    """Check that two tables hold the same nuclei, to the last bit of what can differ."""
    np.testing.assert_array_equal(one.id, other.id)
    np.testing.assert_array_equal(one.geometry, other.geometry)
    for name in ("row", "class_code", "class_probabilities", "area_um2", "at_edge", "escalated"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def write_result(
    folder, n=3000, classes=CONIC, seed=0, origin=ORIGIN, only=None, name="made", unions=None
):
    """Write ``nuclei.parquet`` and ``tissue.geojson``; return both paths and the table.

    The slide is 2000 x 1500 µm at 0.25 µm/px; the left 1200 µm are tissue.
    """
    rng = np.random.default_rng(seed)
    frame = Frame((3000, 4000), 0.5, (0.25, 0.25), origin, (14000, 12000))
    top, left = origin
    centres = rng.uniform((left + 20, top + 20), (left + 7900, top + 5900), (n, 2))
    # Some lie in a row, where a region may end.
    centres[: n // 20, 1] = top + 900
    order = np.argsort(hilbert_key(centres[:, 1] - top, centres[:, 0] - left, 8000.0))
    probabilities = rng.dirichlet(np.full(len(classes), 0.5), n)
    if only is not None:
        probabilities = np.tile(np.eye(len(classes))[only], (n, 1))
    table = nuclei_at(centres[order], classes, probabilities, seed)
    facts = nucleus_facts(
        frame,
        512,
        classes,
        slide=name,
        unions=unions or {},
        tissue_um2=1200.0 * 1500,
        count_error=dict.fromkeys(classes[:2], 0.25),
        miscount=Miscount(0.0, 0.0, dict.fromkeys(classes[:2], 0.5)),
        domain=Domain((1.0, 0.3, 0.2, 3.0, 0.6, -1.0), DOMAIN_ROWS, 3.0),
        colour=(1000, 900_000, 900_000, 900_000),
        views=2,
        contrasts=2,
        n_dropped=dict.fromkeys(classes, 2),
    )
    pieces = [shapely.box(left, top, left + 4800, top + 6000)]
    return *write_table(folder, table, facts, pieces), table


def write_table(folder, table, facts, pieces):
    """Write nuclei and pieces of tissue; return the paths of both files."""
    folder.mkdir(parents=True, exist_ok=True)
    nuclei, tissue = folder / "nuclei.parquet", folder / "tissue.geojson"
    n = len(table)
    parts = (table.take(np.arange(k, min(k + 50, n))) for k in range(0, n, 50))
    write_nuclei(nuclei, parts, facts, row_group=50)
    write_tissue(tissue, pieces, facts)
    return nuclei, tissue
