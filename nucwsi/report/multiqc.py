"""The numbers of a run as custom content of MultiQC, which shows them beside those of other tools.

Files whose names end in ``_mqc.json`` are found by MultiQC wherever they lie in the folders that it
searches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nucwsi.classes import colours, display_name
from nucwsi.report.slide_row import SlideRow

#: Names of the files.
MULTIQC_FILES = ("nucwsi_slides_mqc.json", "nucwsi_composition_mqc.json")

_PARENT = {
    "parent_id": "nucwsi",
    "parent_name": "nucwsi",
    "parent_description": "Nuclei of whole slides stained with H&E.",
}


def multiqc_documents(rows: Sequence[SlideRow]) -> dict[str, dict[str, Any]]:
    """Lay out what MultiQC shows.

    Parameters
    ----------
    rows : sequence of SlideRow
        All slides.

    Returns
    -------
    dict
        Name of a file, of `MULTIQC_FILES` -> its content, plain JSON types: a table of slides, and
        bars of the nuclei of each class.
    """
    return dict(zip(MULTIQC_FILES, (_slides(rows), _composition(rows)), strict=True))


def _slides(rows: Sequence[SlideRow]) -> dict[str, Any]:
    headers: dict[str, dict[str, Any]] = {
        # A further column may have any name, and MultiQC makes HTML of it.
        "look_at": {"title": "To look at", "description": "Points of the report to review"},
        "n_nuclei": {"title": "Nuclei", "format": "{:,.0f}"},
        "tissue_mm2": {"title": "Tissue", "suffix": " mm²", "format": "{:,.2f}"},
        "per_mm2": {"title": "Density", "suffix": " per mm²", "format": "{:,.0f}"},
        "diameter": {"title": "Diameter", "suffix": " µm", "format": "{:,.1f}"},
        "certainty": {"title": "Certainty", "min": 0, "max": 1, "format": "{:,.2f}"},
        "blurred": {"title": "Blurred", "suffix": " %", "max": 100, "format": "{:,.0f}"},
    }
    data = {}
    for row in rows:
        known = {name: value for name, value in row.compared.items() if np.isfinite(value)}
        data[row.name] = {
            "look_at": len(row.faults),
            "n_nuclei": row.whole.n,
            "tissue_mm2": float(row.whole.tissue or 0),
            **known,
        }
    return {
        "id": "nucwsi_slides",
        **_PARENT,
        "section_name": "Slides",
        "description": "Nuclei, tissue and quality of each slide.",
        "plot_type": "table",
        "pconfig": {"id": "nucwsi_slides_table", "title": "nucwsi: slides"},
        "headers": headers,
        "data": data,
    }


def _composition(rows: Sequence[SlideRow]) -> dict[str, Any]:
    classes = tuple(dict.fromkeys(name for row in rows for name in row.classes))
    palette = colours(classes)
    return {
        "id": "nucwsi_composition",
        **_PARENT,
        "section_name": "Composition",
        "description": "Nuclei of each class on the whole slide.",
        "plot_type": "bargraph",
        "pconfig": {
            "id": "nucwsi_composition_plot",
            "title": "nucwsi: composition",
            "ylab": "Nuclei",
        },
        "categories": {
            name: {"name": display_name(name), "color": "#{:02x}{:02x}{:02x}".format(*colour)}
            for name, colour in palette.items()
        },
        "data": {row.name: {part.name: part.n for part in row.whole.parts} for row in rows},
    }
