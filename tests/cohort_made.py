"""A cohort without slides: rows of the report with patients and groups, their counts drawn."""

import numpy as np

from nucwsi.report.region_counts import ClassCount, RegionCounts
from nucwsi.report.slide_row import COMPARED, Files, SlideRow

CLASSES = ("epithelial", "inflammatory", "other")


def region(counts, tissue, source="slide", name="", region_class="Slide"):
    """A region whose nuclei are `counts`, class by class; the intervals are nothing special."""
    n = int(sum(counts))
    parts = tuple(
        ClassCount(
            class_name,
            float(count),
            0.8 * count,
            1.2 * count,
            tuple(100 * share * count / n if n else 0.0 for share in (1, 0.8, 1.2)),
            tuple(share * count / tissue for share in (1, 0.8, 1.2)) if tissue else None,
        )
        for class_name, count in zip(CLASSES, counts, strict=True)
    )
    return RegionCounts(name, region_class, source, f"{tissue:.8g}", n, parts)


def row(name, counts, tissue, regions=(), **further):
    """A slide of the cohort."""
    nothing = dict.fromkeys(COMPARED, float("nan"))
    every = (region(counts, tissue), *regions)
    return SlideRow(name, further, CLASSES, every, (), nothing, "data:,", Files())


def cohort(n_patients=6, seed=0):
    """Two groups, each patient in both; the first patient has two slides after."""
    rng = np.random.default_rng(seed)
    rows = []
    for at in range(n_patients):
        for group in ("before", "after"):
            for block in range(2 if (at, group) == (0, "after") else 1):
                counts = rng.poisson((400, 300 if group == "before" else 500, 50))
                tumour = region(counts // 3, 0.4, "user", "nest", "Tumour")
                tissue = float(np.round(rng.uniform(0.5, 2), 3))
                name = f"s{at}-{group}-{block}"
                rows.append(row(name, counts, tissue, [tumour], patient=f"P{at}", group=group))
    return rows
