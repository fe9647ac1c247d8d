"""Program: make the nuclei of a large slide without a slide, as `segment` would leave them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import shapely

from nucwsi import RESULT_VERSION
from nucwsi.classes import most_probable
from nucwsi.composition.regions import Region
from nucwsi.facts import Member, SlideFacts
from nucwsi.grid import CELL_PX, Frame
from nucwsi.io.nuclei.parquet import AT_ONCE, write_nuclei
from nucwsi.io.regions.geojson import write_regions, write_tissue
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.table import NucleusTable

CLASSES = ("epithelial", "inflammatory", "spindle", "other")
PARTS = 4

#: Nuclei per mm² of tissue, as in a dense carcinoma.
_DENSITY_MM2 = 5000

_VERTICES = 18


def _frame(n_nuclei: int) -> Frame:
    side = int(np.sqrt(n_nuclei / _DENSITY_MM2) * 1000 / 0.5)
    return Frame((side, side), 0.5, (0.25, 0.25), (0.0, 0.0), (2 * side, 2 * side))


def _rings(centre: np.ndarray, radius: np.ndarray, vertices: int) -> np.ndarray:
    """Make N polygons about centres (N, 2), row and column, at radii (N, vertices), in pixels."""
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[..., None]
    points = np.round(points + centre[:, None, ::-1], 2)
    return shapely.polygons(np.concatenate([points, points[:, :1]], axis=1))


def _nuclei(frame: Frame, rows: range, per_row: int, seed: int) -> NucleusTable:
    """Put nuclei on a lattice, each at random in its square; `rows` of the lattice make a table."""
    rng = np.random.default_rng(seed)
    row, column = np.indices((len(rows), per_row)).reshape(2, -1)
    pitch = frame.shape[0] / per_row
    canvas = (
        np.column_stack([row + rows.start, column]) + rng.uniform(0.2, 0.8, (len(row), 2))
    ) * pitch
    radius = rng.uniform(6, 20, (len(row), 1)) * rng.uniform(0.8, 1.2, (len(row), _VERTICES))
    outline = _rings(canvas * 2, radius, _VERTICES)
    centroid = shapely.get_coordinates(shapely.centroid(outline))
    shares = rng.dirichlet(np.full(len(CLASSES), 0.3), len(row)).astype(np.float32)
    area = (shapely.area(outline) / 16).astype(np.float32)
    length = np.sqrt(area)
    return NucleusTable(
        id=canvas.astype(np.int64) @ np.array([frame.shape[1], 1]),
        row=centroid[:, 1],
        column=centroid[:, 0],
        class_code=most_probable(shares),
        class_probabilities=shares,
        contrasts=np.empty((len(shares), 0), np.float32),
        area_um2=area,
        perimeter_um=length * np.float32(3.6),
        major_axis_um=length * np.float32(1.3),
        minor_axis_um=length,
        circularity=rng.uniform(0.6, 1, len(row)).astype(np.float32),
        solidity=rng.uniform(0.8, 1, len(row)).astype(np.float32),
        np_mean=rng.uniform(0.5, 1, len(row)).astype(np.float32),
        at_edge=np.zeros(len(row), bool),
        escalated=np.zeros(len(row), bool),
        geometry=shapely.to_wkb(outline),
        bounds=shapely.bounds(outline),
    )


def make(folder: Path, n_nuclei: int, n_regions: int) -> dict[str, int]:
    """Write parts of nuclei, the tissue they lie in, and regions as a pathologist draws them."""
    frame, per_row = _frame(n_nuclei), round(np.sqrt(n_nuclei))
    facts = SlideFacts(
        kind="part",
        slide="synthetic",
        slide_checksum="0" * 32,
        vendor="synthetic",
        mpp_source="synthetic",
        frame=frame,
        core_px=512,
        halo_px=0,
        tissue_px=CELL_PX,
        tile={},
        result_version=RESULT_VERSION,
        members=(Member(name="synthetic", checksum="0" * 32),),
        classes=CLASSES,
        count_error=dict.fromkeys(CLASSES, 0.1),
        post_processing=PostProcessing(0.5, 0.1, 1.0, dict.fromkeys(CLASSES, 4.0)),
        parts=PARTS,
        n_dropped=dict.fromkeys(CLASSES, 0),
    )
    for part in range(1, PARTS + 1):
        # In pieces of a row of cores, as they come from `segment`.
        first, stop = ((part - k) * per_row // PARTS for k in (1, 0))
        tables = (
            _nuclei(frame, range(row, min(row + 20, stop)), per_row, seed=row)
            for row in range(first, stop, 20)
        )
        write_nuclei(folder / f"{part}.parquet", tables, facts.with_(part=part), AT_ONCE)
    rng = np.random.default_rng(0)
    side = frame.level0_shape[0]
    piece = _rings(np.array([[side / 2, side / 2]]), side * rng.uniform(0.42, 0.5, (1, 4000)), 4000)
    write_tissue(folder / "tissue.geojson", list(piece), facts)
    drawn = _rings(
        rng.uniform(0, side, (n_regions, 2)), rng.uniform(400, 2000, (n_regions, 60)), 60
    )
    regions = [
        Region(f"region_{n}", f"region {n}", "Tumor", "user", outline)
        for n, outline in enumerate(drawn)
    ]
    write_regions(folder / "regions.geojson", regions, [{}] * n_regions, frame.origin_px)
    return {"n_nuclei": per_row**2}


if __name__ == "__main__":
    print(json.dumps(make(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
