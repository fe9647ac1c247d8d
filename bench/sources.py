"""What are the newer training images worth, each source by itself, and what would change more?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.ablation import REFERENCE, Study
from bench.measure import ROOT

#: Arm -> the settings that differ from their defaults. All have the images of both folders.
ARMS: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "without pannuke_fig": {"source_weights": ("pannuke_fig = 0",)},
    "without nuinsseg": {"source_weights": ("nuinsseg = 0",)},
    "without monusac": {"source_weights": ("monusac = 0",)},
    "without brecahad": {"source_weights": ("brecahad = 0",)},
    "with Dropout2d at 0.5": {"dropout": 0.5},
    "with stain matching of half of the crops": {"stain_matching": 0.5},
    "with distillation": {"teachers": ("default",)},
    "seeing 154 px instead of 282": {"architecture": "lite2short"},
}

STUDY = Study(
    ROOT / "docs" / "sources.csv",
    ARMS,
    {
        "pq_consep": "PQ consep (val)",
        "pq_monuseg": "PQ monuseg (val)",
        "pq_nuinsseg": "PQ nuinsseg (val)",
        "pq_pannuke_fig": "PQ pannuke_fig (val)",
        "pq_monusac": "PQ monusac (val)",
        "class_accuracy": "class accuracy (val)",
        "pq": "PQ tnbc",
        "aji": "AJI tnbc",
    },
    ("nuclei", "nuclei_more"),
)


def measure(_folder: Path) -> str:
    """Make the runs that are missing, and lay out all of them."""
    return STUDY.measure()
