"""How well the members that come with nucwsi do on labelled images: docs/accuracy.md."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import yaml

from bench.measure import ROOT, THREADS, program, shared
from bench.report import table

_COLUMNS = ("dice", "aji", "pq", "f1")


def presets() -> dict[str, tuple[list[str], int]]:
    """Return the members and views of each configuration that comes with nucwsi."""
    found = {}
    for name in ("fast", "balanced", "accurate"):
        values = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text("utf-8"))
        found[name] = (values["members"], values["predict"]["views"])
    return found


def _output(folder: Path, split: str, members: list[str], views: int) -> Path:
    return folder / f"{split}-{'-'.join(members)}-{views}"


def _scores(folder: Path, split: str, members: list[str], views: int) -> dict[str, dict[str, str]]:
    """Return an ensemble's row of each data set."""
    summary = _output(folder, split, members, views) / "summary.csv"
    with summary.open(encoding="utf-8") as stream:
        return {row["dataset"]: row for row in csv.DictReader(stream)}


def _evaluate(images: Path, folder: Path) -> None:
    """Score whatever the tables need."""
    for split, more in (("test", _growing()), ("val", [])):
        wanted = {
            str(_output(folder, split, members, views)): {
                "split": split,
                "members": members,
                "views": views,
            }
            for members, views in (*presets().values(), *more)
        }
        program("scores", images, THREADS, json.dumps(wanted))


def _growing() -> list[tuple[list[str], int]]:
    """List the ensembles that the members and views of `accurate` make up, one by one."""
    every = presets()["accurate"][0]
    return [(every[:n], views) for n in range(1, len(every) + 1) for views in (1, 2, 4, 8)]


def _cells(row: dict[str, str], columns: tuple[str, ...]) -> list[str]:
    return [f"{float(row[name]):.3f}" for name in columns]


def _sets(folder: Path) -> str:
    """Lay out the scores of the configurations on every data set."""
    found = [
        ([f"{source} ({split}, {row['images']})", name], row)
        for split in ("test", "val")
        for name, (members, views) in presets().items()
        for source, row in _scores(folder, split, members, views).items()
    ]
    found.sort(key=lambda one: one[0][0])
    outlined = [[*where, *_cells(row, _COLUMNS)] for where, row in found if row.get("pq")]
    return "\n\n".join(
        (
            table(["images", "configuration", "Dice", "AJI", "PQ", "F1 of detection"], outlined),
            _classes(found, "f1_", "F1 of HoVer-Net on"),
            _classes(found, "detection_", "F1 of each class by itself on"),
        )
    )


def _classes(found: list[tuple[list[str], dict[str, str]]], prefix: str, title: str) -> str:
    """Lay out the scores of classes, of the data sets that know any."""
    keys = [key for key in dict.fromkeys(key for _, row in found for key in row) if prefix in key]
    rows = [
        [*where, *(f"{float(row[key]):.3f}" if row.get(key) else "" for key in keys)]
        for where, row in found
        if any(row.get(key) for key in keys)
    ]
    return table([title, "configuration", *(key.removeprefix(prefix) for key in keys)], rows)


def _views_and_members(folder: Path) -> str:
    """Lay out what views and members are worth."""
    rows = [
        [row["dataset"], str(len(members)), str(views), *_cells(row, _COLUMNS)]
        for members, views in _growing()
        for row in _scores(folder, "test", members, views).values()
    ]
    return table(["test images", "members", "views", "Dice", "AJI", "PQ", "F1 of detection"], rows)


def measure(folder: Path) -> str:
    """Score the configurations, and all numbers of views and members."""
    _evaluate(shared("nuclei"), folder)
    return f"{_sets(folder)}\n\n{_views_and_members(folder)}"
