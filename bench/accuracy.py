"""How accurate are the bundled configurations on labelled images, what do they cost on a slide, and
what do more members and views add?
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from bench.measure import ROOT, THREADS, Cost, SkipError, analyse, program, shared, total
from bench.report import table
from nucwsi.io.csv_table import read_csv

_COLUMNS = ("dice", "aji", "pq", "f1_hovernet")

#: Data sets whose outlines were rebuilt from figures and masks. A mark is put beside their names:
#: networks may be compared on them, but not with what others publish.
_REBUILT = ("nuinsseg", "pannuke_fig", "monusac")
_MARK = " †"
_MARKED = (
    "† The truth was rebuilt from published figures or masks, and is not the official one: for"
    " comparisons between members only."
)

#: Slide on which the configurations are timed.
_TIMED = ("slides", "CMU-1-Small-Region.svs")


def presets() -> dict[str, tuple[list[str], int]]:
    """Return the members and views of each bundled configuration."""
    chosen = {}
    for name in ("fast", "balanced", "accurate"):
        values = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text("utf-8"))
        chosen[name] = (values["members"], values["predict"]["views"])
    return chosen


def _output(folder: Path, split: str, members: list[str], views: int) -> Path:
    # Members may be files, whose names hold slashes.
    named = "-".join(Path(member).stem for member in members)
    return folder / f"{split}-{named}-{views}"


def _scores(folder: Path, split: str, members: list[str], views: int) -> dict[str, dict[str, str]]:
    """Return the scores of an ensemble: data set -> row of ``summary.csv``."""
    rows: dict[str, dict[str, str]] = {}
    for place, mark in ((folder, ""), (folder / "more", _MARK)):
        summary = _output(place, split, members, views) / "summary.csv"
        for row in read_csv(summary) if summary.exists() else ():
            source = row["dataset"]
            if not mark or source in _REBUILT:
                rows[source + mark] = row
    return rows


def _evaluate(images: Path, folder: Path, splits: dict[str, list[tuple[list[str], int]]]) -> None:
    """Score the configurations, and further ensembles of each split."""
    for split, more in splits.items():
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


def _costs(slide: Path, folder: Path) -> dict[str, Cost]:
    """Take a slide through all verbs with each configuration."""
    costs = {}
    for name, (members, views) in presets().items():
        place = folder / f"cost-{name}"
        place.mkdir()
        costs[name] = total(list(analyse(slide, place, members, views).values()))
    return costs


def _choice(folder: Path, costs: dict[str, Cost]) -> str:
    """Lay out the cost of each configuration beside its accuracy: the table to choose by."""
    scores = {
        name: {
            source: row
            for split in ("test", "val")
            for source, row in _scores(folder, split, members, views).items()
        }
        for name, (members, views) in presets().items()
    }
    known = [source for source in scores["fast"] if not source.endswith(_MARK)]
    outlined = [source for source in known if scores["fast"][source].get("pq")]
    typed = [source for source in known if _mean_f1(scores["fast"][source])]
    head = [
        *("configuration", "networks x views", "wall, s", "processor, s", "peak memory, MB"),
        *(f"PQ {source}" for source in outlined),
        *(f"F1 of classes {source}" for source in typed),
    ]
    rows = []
    for name, (members, views) in presets().items():
        cost = costs[name]
        rows.append(
            [
                *(name, f"{len(members)} x {views}", f"{cost.wall_s:.0f}", f"{cost.cpu_s:.0f}"),
                f"{cost.peak_mb:.0f}",
                *(f"{float(scores[name][source]['pq']):.3f}" for source in outlined),
                *(_mean_f1(scores[name][source]) for source in typed),
            ]
        )
    conditions = (
        f"Times and memory are those of all verbs on `{Path(*_TIMED).name}`, {THREADS} threads, no"
        " GPU. F1 of classes is the mean over classes of HoVer-Net's."
    )
    return f"{table(head, rows)}\n\n{conditions}"


def _mean_f1(row: dict[str, str]) -> str:
    """Return the mean of HoVer-Net's F1 over the classes that a data set knows; empty if none."""
    values = [float(text) for key, text in row.items() if key.startswith("f1_hovernet_") and text]
    return f"{sum(values) / len(values):.3f}" if values else ""


def measure(folder: Path) -> str:
    """Score and time the configurations; score ensembles of more and more members and views."""
    slide = shared(*_TIMED)
    _evaluate(shared("nuclei"), folder, {"test": _growing(), "val": []})
    rebuilt = _MARKED
    try:
        _evaluate(shared("nuclei_more"), folder / "more", {"val": []})
    except SkipError as error:
        rebuilt = f"Not scored: {error}."
    choice = _choice(folder, _costs(slide, folder))
    return f"{choice}\n\n{_sets(folder)}\n\n{rebuilt}\n\n{_views_and_members(folder)}"
