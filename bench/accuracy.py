"""How well the members that come with nucwsi do on labelled images: docs/accuracy.md."""

from __future__ import annotations

import csv
from pathlib import Path

import yaml

from bench.measure import ROOT, THREADS, nucwsi, shared
from bench.report import table

_COLUMNS = ("dice", "aji", "pq", "f1")


def presets() -> dict[str, tuple[list[str], int]]:
    """Return the members and views of each configuration that comes with nucwsi."""
    found = {}
    for name, file in (("fast", "fast"), ("default", "config"), ("accurate", "accurate")):
        values = yaml.safe_load((ROOT / "config" / f"{file}.yaml").read_text("utf-8"))
        found[name] = (values["members"], values["predict"]["views"])
    return found


def _scores(
    images: Path, folder: Path, split: str, members: list[str], views: int
) -> dict[str, dict[str, str]]:
    """Score an ensemble; return its row of each data set."""
    output = folder / f"{split}-{'-'.join(members)}-{views}"
    if not output.exists():
        flags = [word for member in members for word in ("--member", member)]
        words = (images, "-o", output, "--split", split, "--views", views, "--threads", THREADS)
        nucwsi("evaluate", *words, *flags)
    with (output / "summary.csv").open(encoding="utf-8") as stream:
        return {row["dataset"]: row for row in csv.DictReader(stream)}


def _cells(row: dict[str, str], columns: tuple[str, ...]) -> list[str]:
    return [f"{float(row[name]):.3f}" for name in columns]


def _sets(images: Path, folder: Path) -> str:
    """Lay out the scores of the configurations on every data set."""
    found = [
        ([f"{source} ({split}, {row['images']})", name], row)
        for split in ("test", "val")
        for name, (members, views) in presets().items()
        for source, row in _scores(images, folder, split, members, views).items()
    ]
    found.sort(key=lambda one: one[0][0])
    outlined = [[*where, *_cells(row, _COLUMNS)] for where, row in found if row.get("pq")]
    scores = [key for key in dict.fromkeys(key for _, row in found for key in row) if "f1_" in key]
    typed = [
        [*where, *(row.get(key, "") for key in scores)]
        for where, row in found
        if any(row.get(key) for key in scores)
    ]
    names = [key.removeprefix("f1_") for key in scores]
    return (
        table(["images", "configuration", "Dice", "AJI", "PQ", "F1 of detection"], outlined)
        + "\n\n"
        + table(["F1 of classes on", "configuration", *names], typed)
    )


def _views_and_members(images: Path, folder: Path) -> str:
    """Lay out what views and members are worth."""
    every: list[str] = presets()["accurate"][0]
    rows = [
        [row["dataset"], str(count), str(views), *_cells(row, _COLUMNS)]
        for count in range(1, len(every) + 1)
        for views in (1, 2, 4, 8)
        for row in _scores(images, folder, "test", every[:count], views).values()
    ]
    return table(["test images", "members", "views", "Dice", "AJI", "PQ", "F1 of detection"], rows)


def measure(folder: Path) -> str:
    """Score the configurations, and all numbers of views and members."""
    images = shared("nuclei")
    return f"{_sets(images, folder)}\n\n{_views_and_members(images, folder)}"
