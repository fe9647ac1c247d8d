"""How accurate are the bundled configurations on labelled images, and what do more members and
views add?
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import yaml

from bench.measure import ROOT, THREADS, program, shared
from bench.report import table

_COLUMNS = ("dice", "aji", "pq", "f1_hovernet")


def presets() -> dict[str, tuple[list[str], int]]:
    """Return the members and views of each bundled configuration."""
    chosen = {}
    for name in ("fast", "balanced", "accurate"):
        values = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text("utf-8"))
        chosen[name] = (values["members"], values["predict"]["views"])
    return chosen


def _output(folder: Path, split: str, members: list[str], views: int) -> Path:
    return folder / f"{split}-{'-'.join(members)}-{views}"


def _scores(folder: Path, split: str, members: list[str], views: int) -> dict[str, dict[str, str]]:
    """Return the scores of an ensemble: data set -> row of ``summary.csv``."""
    summary = _output(folder, split, members, views) / "summary.csv"
    with summary.open(encoding="utf-8") as stream:
        return {row["dataset"]: row for row in csv.DictReader(stream)}


def _evaluate(images: Path, folder: Path) -> None:
    """Score every ensemble that the tables show."""
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
    """List ensembles of the first one, two, ... members of `accurate`, each in 1 to 8 views."""
    members = presets()["accurate"][0]
    return [(members[:n], views) for n in range(1, len(members) + 1) for views in (1, 2, 4, 8)]


def _cells(row: dict[str, str], columns: tuple[str, ...]) -> list[str]:
    return [f"{float(row[name]):.3f}" for name in columns]


def _sets(folder: Path) -> str:
    """Lay out the scores of the configurations on every data set."""
    scored = [
        ([f"{source} ({split}, {row['images']})", name], row)
        for split in ("test", "val")
        for name, (members, views) in presets().items()
        for source, row in _scores(folder, split, members, views).items()
    ]
    scored.sort(key=lambda one: one[0][0])
    outlined = [[*where, *_cells(row, _COLUMNS)] for where, row in scored if row.get("pq")]
    return "\n\n".join(
        (
            table(["images", "configuration", "Dice", "AJI", "PQ", "F1 of HoVer-Net"], outlined),
            _classes(scored, "f1_hovernet_", "F1 of HoVer-Net on"),
            _classes(scored, "f1_most_pairs_", "the same with the most pairs within 3 µm on"),
            _classes(scored, "detection_", "F1 of each class by itself on"),
        )
    )


def _classes(scored: list[tuple[list[str], dict[str, str]]], prefix: str, title: str) -> str:
    """Lay out the scores of classes, on the data sets that know any."""
    columns = dict.fromkeys(key for _, row in scored for key in row)
    keys = [key for key in columns if key.startswith(prefix)]
    rows = [
        [*where, *(f"{float(row[key]):.3f}" if row.get(key) else "" for key in keys)]
        for where, row in scored
        if any(row.get(key) for key in keys)
    ]
    return table([title, "configuration", *(key.removeprefix(prefix) for key in keys)], rows)


def _views_and_members(folder: Path) -> str:
    """Lay out the scores of ensembles of more and more members and views."""
    rows = [
        [row["dataset"], str(len(members)), str(views), *_cells(row, _COLUMNS)]
        for members, views in _growing()
        for row in _scores(folder, "test", members, views).values()
    ]
    return table(["test images", "members", "views", "Dice", "AJI", "PQ", "F1 of HoVer-Net"], rows)


def measure(folder: Path) -> str:
    """Score the configurations, and ensembles of more and more members and views."""
    _evaluate(shared("nuclei"), folder)
    return f"{_sets(folder)}\n\n{_views_and_members(folder)}"
