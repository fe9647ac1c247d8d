"""Kill every verb at many moments, run it again, and compare: nothing may differ or be left.

``make kill`` prints the table of docs/reliability.md and fails if anything is wrong. Half of the
moments lie between two operations on files; the others are times that are spread over the run, so
that they also hit what libraries write by themselves.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import zarr
from commands import succeeded
from foreign_made import qupath_cells
from reviewed import exported, made_results, worklist
from samples_made import write_labelled
from shown import phantom_nuclei, write_results
from stores import write_member

from nucwsi.cli.commands import main
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

#: Verb -> its words; {here} holds the inputs, {out} is empty.
VERBS = {
    "tile": (
        "tile {here}/slide.tiff -o {out}/tiles.zarr.zip --tissue-output {out}/tissue.geojson"
        " --core-px=256 --threads=2 --member={here}/m.safetensors"
    ),
    "predict": (
        "predict {here}/tiles.zarr.zip -o {out}/1-of-1.zarr.zip --device=cpu"
        " --member={here}/m.safetensors"
    ),
    "segment": "segment {here}/maps.zarr.zip -o {out}/1-of-1.parquet --threads=2",
    "stitch": "stitch {here}/part.parquet -o {out}/nuclei.parquet --seams {out}/seams.json",
    "import": (
        "import {here}/cells.geojson --slide {here}/slide.tiff -o {out}/nuclei.parquet --name small"
    ),
    "features": "features {here}/slide.tiff {results}/nuclei.parquet -o {out}/features.parquet",
    "classify": (
        "classify {here}/slide.tiff {results}/nuclei.parquet -o {out}/nuclei.parquet"
        " --classifier {here}/sizes.classifier"
    ),
    "teach": "teach {here}/taught {here}/answers.csv -o {out}/sizes.classifier",
    # Corrected columns are added to the results themselves.
    "correct": "correct {out} {here}/answers.geojson",
    "compose": (
        "compose {results}/nuclei.parquet --regions {results}/drawn.geojson -o {out}/c.csv"
        " --geojson {out}/r.geojson --morphometry {out}/m.csv --neighbours {out}/n.csv"
    ),
    "export": (
        "export {results}/nuclei.parquet -o {out}/s.nuclei.qupath.zip --ome-zarr --flatgeobuf --csv"
    ),
    "summary": "summary {results}/composition.csv {results}/composition.csv -o {out}/all.csv",
    "assess": "assess {here}/slide.tiff {results}/nuclei.parquet -o {out}/assessment.json",
    "render": "render {here}/slide.tiff {results}/nuclei.parquet -o {out}/viewer/index.html",
    "report": "report {results}/assessment.json -o {out}/report.html",
    "provenance": "provenance {results}/nuclei.parquet -o {out}/provenance.json",
    "data import": "data import --from manifest {here}/images -o {out}/images",
    "train": (
        "train {here}/images -o {out}/m.safetensors --widths=4,6 --steps=6 --warmup-steps=2"
        " --batch-size=2 --crop-px=64 --validate-every=2 --device=cpu"
    ),
    "evaluate": (
        "evaluate {here}/images --split=test -o {out}/scores --member={here}/m.safetensors"
        " --device=cpu"
    ),
    "phantom": "phantom {out}/p.tiff --height=900 --width=1200",
}

#: Verbs that change what is there: {out} is a copy of the folder of their name, not empty.
CHANGING = frozenset({"correct"})

#: How often a verb is run twice at the same time, and what the table calls it.
PAIRS, TOGETHER = 5, "two at once"

SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM}


@dataclass
class Tally:
    """What came of a verb that was killed by one signal.

    Attributes
    ----------
    killed : int
        Runs that ended by the signal.
    finished : int
        Runs that were done before it came.
    faults : list of str
        What was wrong, one line each.
    """

    killed: int = 0
    finished: int = 0
    faults: list[str] = field(default_factory=list)


def prepare(here: Path, verbs: list[str]) -> None:
    """Make the inputs of the verbs."""
    slide, member = here / "slide.tiff", here / "m.safetensors"
    write_phantom(slide, Phantom((1600, 2100), seed=5))
    write_member(member)
    write_labelled(here / "images")
    results = write_results(slide, here / "results", phantom_nuclei(), ["a", "b"])
    if {"import", "features", "classify", "teach", "correct"} & set(verbs):
        # In a process of its own: this one must have no threads.
        making = multiprocessing.get_context("fork").Process(target=prepare_answers, args=(here,))
        making.start()
        making.join()
        if making.exitcode:
            raise RuntimeError("answers and a classifier could not be made")
    steps = (
        f"tile {slide} -o {here}/tiles.zarr.zip --tissue-output {here}/tissue.geojson"
        f" --core-px=256 --member={member}",
        f"predict {here}/tiles.zarr.zip -o {here}/maps.zarr.zip --device=cpu --member={member}",
        f"segment {here}/maps.zarr.zip -o {here}/part.parquet",
        f"assess {slide} {results}/nuclei.parquet -o {results}/assessment.json",
    )
    chain = [("predict", "segment", "stitch"), ("segment", "stitch"), ("stitch",), ("report",)]
    for words, needing in zip(steps, chain, strict=True):
        if not set(needing) & set(verbs):
            continue
        code, _, log = finished(words.split(), here / "log")
        if code:
            raise RuntimeError(f"{words}: {log}")


def prepare_answers(here: Path) -> None:
    """Make nuclei of another program, a classifier, and a reviewed slide with its answers."""
    nuclei = list(Phantom((1600, 2100), seed=5).nuclei())
    shapes = [Phantom((1600, 2100), seed=5).polygon(nucleus) for nucleus in nuclei]
    sound = [at for at, shape in enumerate(shapes) if shape.geom_type == "Polygon"]
    names = [nuclei[at].class_name for at in sound]
    qupath_cells(here / "cells.geojson", [shapes[at] for at in sound], names)
    taught = here / "taught"
    shutil.copytree(here / "results", taught)
    table = taught / "features.parquet"
    succeeded("features", here / "slide.tiff", taught / "nuclei.parquet", "-o", table)
    known = pd.read_parquet(table)[["id", "area_um2"]].head(60)
    known["class"] = np.where(known["area_um2"] > known["area_um2"].median(), "large", "small")
    known[["id", "class"]].to_csv(here / "answers.csv", index=False)
    succeeded("teach", taught, here / "answers.csv", "-o", here / "sizes.classifier")
    made_results(here / "correct", n=800)
    drawn = worklist(here / "correct", here / "worklist.geojson", "--labels", 40, "--frames", 5)
    exported(here / "answers.geojson", drawn)


def started(words: list[str], log: Path, hook: Callable[..., None] | None = None) -> int:
    """Fork a process that runs a command; return its number."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        if hook is not None:
            sys.addaudithook(hook)
        main(words, prog_name="nucwsi")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 (it is shown)
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finished(words: list[str], log: Path) -> tuple[int, float, str]:
    """Run a command to its end; return its status, its time in s, and its log."""
    begun = time.monotonic()
    _, status = os.waitpid(started(words, log), 0)
    return os.waitstatus_to_exitcode(status), time.monotonic() - begun, log.read_text("utf-8")


def on_files(out: Path, act: Callable[[], None]) -> Callable[..., None]:
    """Return an audit hook that acts before each operation on a file below a folder."""
    below = os.fspath(out)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" or event.startswith(("os.", "shutil.")):
            names = (os.fspath(a) for a in arguments[:2] if isinstance(a, str | os.PathLike))
            if any(str(name).startswith(below) for name in names):
                act()

    return hook


def count_operations(words: list[str], out: Path, log: Path) -> int:
    """Run a command to its end; return how many operations on files it makes."""
    counted = log.with_name("counted")
    handle = os.open(counted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.waitpid(started(words, log, on_files(out, lambda: os.write(handle, b"."))), 0)
    os.close(handle)
    return counted.stat().st_size


def contents(out: Path) -> dict[str, bytes]:
    """Read all files of a folder; hidden files and empty folders are among them."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_dir():
            found.update({f"{name}/": b""} if not any(path.iterdir()) else {})
        elif name.endswith(".curves.csv"):
            # Its last column is a time.
            rows = path.read_text("utf-8").splitlines()
            found[name] = "\n".join(row.rpartition(",")[0] for row in rows).encode()
        else:
            found[name] = path.read_bytes()
    return found


def moments(points: int, operations: int, seconds: float) -> Iterator[tuple[int | None, float]]:
    """Yield the number of an operation, or None and a time in s, for each point."""
    by_file = points // 2
    for number in range(by_file):
        yield 1 + round((number + 0.5) / by_file * operations - 0.5), 0.0
    for number in range(points - by_file):
        yield None, (number + 0.5) / (points - by_file) * seconds


def killed(
    words: list[str], out: Path, log: Path, number: int, at: tuple[int | None, float]
) -> int:
    """Run a command and send it a signal at a moment; return its status."""
    operation, seconds = at
    left = operation

    def count() -> None:
        nonlocal left
        left = (left or 0) - 1
        if left == 0:
            os.kill(os.getpid(), number)

    process = started(words, log, on_files(out, count) if operation else None)
    if operation is None:
        time.sleep(seconds)
        os.kill(process, number)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def two_at_once(words: list[str], out: Path, log: Path, expected: dict[str, bytes]) -> list[str]:
    """Run a command twice at the same time; return what is wrong.

    One of the two may be refused, with one line.
    """
    logs = [log.with_name(f"log{number}") for number in range(2)]
    processes = [started(words, path) for path in logs]
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    told = [path.read_text("utf-8", "replace") for path in logs]
    faults = [
        f"two at once: one ended with {code}: {text[-300:]}"
        for code, text in zip(codes, told, strict=True)
        if code not in {0, 1} or "Traceback" in text
    ]
    if 0 not in codes or contents(out) != expected:
        faults.append(f"two at once: ended with {codes}, and the result differs or is missing")
    return faults


def matrix(verb: str, here: Path, points: int) -> dict[str, Tally]:
    """Kill a verb at each point with each signal, and run it again; also run it twice at once."""
    out, log = here / "out", here / "log"

    def emptied() -> list[str]:
        shutil.rmtree(out, ignore_errors=True)
        if verb in CHANGING:
            shutil.copytree(here / verb, out)
        else:
            out.mkdir()
        return [
            word.format(here=here, out=out, results=here / "results")
            for word in VERBS[verb].split()
        ]

    words = emptied()
    code, _, text = finished(words, log)
    expected = contents(out)
    tallies = {name: Tally() for name in SIGNALS}
    if code:
        tallies["kill -9"].faults.append(f"does not run: {text}")
        return tallies
    operations = count_operations(emptied(), out, log)
    if contents(out) != expected:
        tallies["kill -9"].faults.append("two runs that were not killed differ")
        return tallies
    seconds = finished(emptied(), log)[1]
    for name, number in SIGNALS.items():
        tally = tallies[name]
        for at in moments(points, operations, seconds):
            status = killed(emptied(), out, log, number, at)
            where = f"{name} at operation {at[0]}" if at[0] else f"{name} after {at[1]:.2f} s"
            told = log.read_text("utf-8", "replace")
            tally.killed += status != 0
            tally.finished += status == 0
            if status not in {0, -number, 128 + number} or "Traceback" in told:
                tally.faults.append(f"{where}: ended with {status}: {told[-300:]}")
            whole = expected.items() <= contents(out).items()
            code, _, told = finished(words, log)
            # What makes a new folder refuses one that is there.
            refused = whole and "exists already" in told
            if code and not refused:
                tally.faults.append(f"{where}: the next run ended with {code}: {told[-300:]}")
            found = contents(out)
            if found != expected:
                names = [
                    key
                    for key in sorted(found.keys() | expected.keys())
                    if found.get(key) != expected.get(key)
                ]
                tally.faults.append(f"{where}: differs in {', '.join(names[:5])}")
    together = tallies[TOGETHER] = Tally(finished=PAIRS)
    for _ in range(PAIRS):
        together.faults += two_at_once(emptied(), out, log, expected)
    return tallies


def say(line: str) -> None:
    """Print a line at once: the run takes long."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main_program() -> int:
    """Print the table; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="kill_matrix", description=__doc__)
    parser.add_argument("--points", type=int, default=20, help="moments for each verb and signal")
    parser.add_argument("--verbs", default=",".join(VERBS), help="those to kill, with commas")
    asked = parser.parse_args()
    # Imported once, before the processes are forked.
    torch.set_num_threads(1)
    zarr.config.set({"async.concurrency": 1})
    faults = 0
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch).resolve()
        verbs = asked.verbs.split(",")
        prepare(here, verbs)
        head = "".join(f" {name} | equal after it |" for name in SIGNALS)
        say(f"| verb |{head} {TOGETHER} |\n|---|{'---|' * 2 * len(SIGNALS)}---|")
        for verb in verbs:
            tallies = matrix(verb, here, asked.points)
            cells = []
            for name, tally in tallies.items():
                total, n_faults = tally.killed + tally.finished, len(tally.faults)
                cells += [f"{tally.killed} of {total}"] if name != TOGETHER else []
                cells.append(f"{max(0, total - n_faults)} of {total}")
                faults += n_faults
            say(f"| `{verb}` | {' | '.join(cells)} |")
            for line in (line for tally in tallies.values() for line in tally.faults):
                say(f"{verb}: {line}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main_program())
