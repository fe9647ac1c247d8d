"""What is each trick of training worth, all else equal?"""

from __future__ import annotations

import csv
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import ROOT, THREADS, Cost, program, shared
from bench.report import table
from nucwsi.config import TrainSettings

SEEDS = (1, 2)

#: The shape of the members that come with nucwsi.
BUDGET: dict[str, Any] = {
    "architecture": "lite2",
    "widths": (24, 48, 64, 96),
    "steps": 600,
    "warmup_steps": 50,
    "batch_size": 4,
    "crop_px": 192,
    "validate_every": 600,
}

REFERENCE = "reference"

#: Arm -> the settings that differ from their defaults.
ARMS: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "without flips and turns (D4)": {"views": False},
    "without colour": {"colour": 0},
    "without averaged weights (EMA)": {"ema_decay": 0},
    "without oversampling": {"oversampling": False},
    "published targets": {"published_targets": True},
    "published gradient axis": {"published_gradient": True},
    "without label sets": {"label_sets": False},
    "without points as nuclei": {"point_cover": False},
    "without mosaics": {"mosaic": False},
    "without equal nuclei": {"equal_nuclei": False},
    "class loss at weight 1": {"tp_weight": 1},
    "gradient loss at weight 20": {"gradient_weight": 20},
    "with distillation": {"teachers": ("default",)},
    "with distillation, teacher sees jittered colours": {
        "teachers": ("default",),
        "teacher_colour": True,
    },
}

#: Scores by arm and seed.
Runs = dict[tuple[str, int], dict[str, float]]


@dataclass(frozen=True)
class Study:
    """Trainings that differ in one setting each.

    Attributes
    ----------
    done : pathlib.Path
        One row for each finished run; without this file all runs are made anew.
    arms : dict
        Name -> the settings that differ from their defaults; `REFERENCE` comes first.
    scores : dict
        Key of a score of ``bench.trained`` -> head of its column.
    folders : tuple of str
        Folders of images, in the shared folder.
    """

    done: Path
    arms: dict[str, dict[str, Any]]
    scores: dict[str, str]
    folders: tuple[str, ...]

    def finished(self) -> Runs:
        """Read the finished runs.

        Raises
        ------
        SystemExit
            If one of them had another budget, since runs of two budgets cannot be compared.
        """
        if not self.done.exists():
            return {}
        with self.done.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        for row in rows:
            if row["budget"] != _budget():
                raise SystemExit(
                    f"{self.done}: has a run of the budget {row['budget']!r}, expected"
                    f" {_budget()!r}; remove the file to make all runs anew"
                )
        return {
            (row["arm"], int(row["seed"])): {name: float(row[name]) for name in self.scores}
            for row in rows
        }

    def keep(self, arm: str, seed: int, scores: dict[str, float]) -> None:
        """Append a finished run."""
        new = not self.done.exists()
        with self.done.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if new:
                writer.writerow(["budget", "arm", "seed", *self.scores])
            writer.writerow([_budget(), arm, seed, *(f"{scores[n]:.4f}" for n in self.scores)])

    def tables(self, runs: Runs) -> str:
        """Lay out the scores of every arm, and their differences from the reference of its seed."""
        scores, differences = [], []
        for arm in self.arms:
            seeds = [seed for seed in SEEDS if (arm, seed) in runs]
            if not seeds:
                continue
            own = {name: [runs[arm, seed][name] for seed in seeds] for name in self.scores}
            scores.append([arm, str(len(seeds)), *map(_spread, own.values())])
            if arm == REFERENCE:
                continue
            gaps = {
                name: [runs[arm, seed][name] - runs[REFERENCE, seed][name] for seed in seeds]
                for name in self.scores
            }
            differences.append([arm, *(_spread(values, "+") for values in gaps.values())])
        names = list(self.scores.values())
        return (
            f"{_about()}\n\n{table(['', 'runs', *names], scores)}"
            f"\n\n{table(['less the reference', *names], differences)}"
        )

    def measure(self) -> str:
        """Make the runs that are missing, all arms of one seed before the next seed."""
        images, runs = [shared(name) for name in self.folders], self.finished()
        missing = [(arm, seed) for seed in SEEDS for arm in self.arms if (arm, seed) not in runs]

        def scored(run: tuple[str, int]) -> tuple[Cost, dict[str, float]]:
            arm, seed = run
            how = TrainSettings(seed=seed, **{**BUDGET, **self.arms[arm]})
            return program("trained", how.model_dump_json(), *images)

        # Each run takes one core.
        with ThreadPoolExecutor(THREADS) as pool:
            for (arm, seed), (cost, scores) in zip(missing, pool.map(scored, missing), strict=True):
                runs[arm, seed] = scores
                self.keep(arm, seed, scores)
                print(f"{arm}, seed {seed}: {cost.wall_s:.0f} s, {scores}", flush=True)
        return self.tables(runs)


def _budget() -> str:
    return "; ".join(f"{key} {value}" for key, value in BUDGET.items())


def _spread(values: list[float], sign: str = "") -> str:
    """Write the mean, and half the range where there are several values."""
    mean = f"{statistics.fmean(values):{sign}.3f}"
    return f"{mean} ± {(max(values) - min(values)) / 2:.3f}" if len(values) > 1 else mean


def _about() -> str:
    widths = ", ".join(map(str, BUDGET["widths"]))
    crops = BUDGET["steps"] * BUDGET["batch_size"]
    return (
        f"Every run: {BUDGET['architecture']} of widths {widths}, its way down from weights of"
        f" ImageNet; {BUDGET['steps']} steps of {BUDGET['batch_size']} crops of"
        f" {BUDGET['crop_px']} px, {crops} crops in all. Mean over seeds ± half their range."
    )


STUDY = Study(
    ROOT / "docs" / "ablation.csv",
    ARMS,
    {
        "pq_consep": "PQ consep (val)",
        "pq_monuseg": "PQ monuseg (val)",
        "class_accuracy": "class accuracy (val)",
        "pq": "PQ tnbc",
        "aji": "AJI tnbc",
        "dice": "Dice tnbc",
    },
    ("nuclei",),
)


def measure(_folder: Path) -> str:
    """Make the runs that are missing, and lay out all of them."""
    return STUDY.measure()
