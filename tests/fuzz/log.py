"""What was tried and what came of it; cases that failed are kept."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

from fuzz.runner import FINE, Case, Ran, Verdict

#: Cases of one fault that are kept.
_KEPT = 3


class Log:
    """Counts outcomes, and keeps the files that failed.

    Parameters
    ----------
    seed : int
        Of the run.
    folder : pathlib.Path
        Where failing cases are kept; it is made when the first one comes.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self._seed, self._folder = seed, folder
        self._outcomes: dict[str, Counter[tuple[str, str]]] = {
            "file": Counter(),
            "damage": Counter(),
        }
        self._faults: Counter[tuple[str, ...]] = Counter()

    @property
    def n_cases(self) -> int:
        return self._outcomes["file"].total()

    @property
    def n_faults(self) -> int:
        return self._faults.total()

    def add(self, case: Case, verdict: Verdict, ran: Ran) -> str | None:
        """Count a case; return what is to be said of it now."""
        self._outcomes["file"][case.subject.name, verdict.outcome] += 1
        self._outcomes["damage"][case.mutator, verdict.outcome] += 1
        if verdict.outcome in FINE:
            return None
        # One fault is found often, with other numbers and paths.
        sign = (case.subject.name, verdict.outcome, re.sub(r"[\d.]+", "0", verdict.why)[:60])
        self._faults[sign] += 1
        if self._faults[sign] > _KEPT:
            return None
        place = self._keep(case, verdict, ran)
        return f"{described(case, verdict)}\n    kept in {place}"

    def _keep(self, case: Case, verdict: Verdict, ran: Ran) -> Path:
        outcome = verdict.outcome.replace(" ", "-")
        place = self._folder / f"{self._seed}-{case.number}-{outcome}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (place / Path(case.subject.file).name).write_bytes(case.mutant.data)
        commands = "\n".join(f"nucwsi {words}" for words in case.subject.commands)
        again = f"make fuzz SEED={self._seed} CASE={case.number}"
        text = f"{described(case, verdict)}\n{commands}\n{again}\n\n{ran.told}"
        (place / "case.txt").write_text(text)
        return place

    def text(self) -> str:
        """Write how often each outcome came, by file and by damage, as tables of Markdown."""
        return "\n\n".join(_table(name, counts) for name, counts in self._outcomes.items())


def described(case: Case, verdict: Verdict) -> str:
    """Say in a line what was done and what came of it."""
    done = f"{case.subject.name}, {case.mutator} ({case.mutant.what})"
    return f"{verdict.outcome}: {done}: {verdict.why:.300}"


def _table(first: str, counts: Counter[tuple[str, str]]) -> str:
    outcomes = [*FINE, *sorted({outcome for _, outcome in counts} - set(FINE))]
    rows: dict[str, list[int]] = {
        name: [counts[name, outcome] for outcome in outcomes]
        for name in sorted({name for name, _ in counts})
    }
    rows["**all**"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    lines = [
        f"| {first} | cases | {' | '.join(outcomes)} |",
        "|---|---:|" + "---:|" * len(outcomes),
        *(f"| {name} | {sum(row)} | {' | '.join(map(str, row))} |" for name, row in rows.items()),
    ]
    return "\n".join(lines)
