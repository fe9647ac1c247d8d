"""Runs a command on a damaged file in a child process, watches it, and passes the verdict.

The parent has loaded all libraries and computes nothing, so that a child costs a fork.
"""

from __future__ import annotations

import json
import logging
import os
import pkgutil
import re
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import nucwsi
from fuzz.compared import alike, difference
from fuzz.mutators import Mutant
from fuzz.subject import Kit, Subject
from fuzz.subjects import SUBJECTS
from nucwsi.cli.commands import main

# What a command loads while it runs is loaded before it is forked.
for _module in pkgutil.walk_packages(nucwsi.__path__, "nucwsi."):
    import_module(_module.name)
# Exported programs load these, in seconds.
for _name in ("torch._dynamo", "torch._inductor.output_code", "torch.export.pt2_archive._package"):
    import_module(_name)

#: How a line of the log begins, or what `run` tells; other lines on stderr are errors or noise.
_LOGGED = re.compile(r"\d\d:\d\d:\d\d |in/results: ")

#: Longest line of an error that a person still reads.
_LONGEST_LINE = 1000

#: Exit code of a command that got too little memory: a small file must not ask for much.
_LACK_OF_MEMORY = 75

#: Outcomes that are right.
FINE = ("same", "warned", "refused", "other")


class Limits(NamedTuple):
    """What a command may take beyond what the parent takes.

    Attributes
    ----------
    cpu_s : int
        Processor seconds.
    clock_s : float
        Seconds on the clock, so that waiting for ever is noticed too.
    memory_mb : float
        Resident memory in MB.
    """

    cpu_s: int = 20
    clock_s: float = 120.0
    memory_mb: float = 1000.0


_LIMITS = Limits()


class Ran(NamedTuple):
    """What a command left behind.

    Attributes
    ----------
    end : str
        ``exit``, ``hang``, ``memory`` or ``crash``.
    code : int
        Exit code, or number of the signal of a crash.
    step : int
        Place of the command that came last.
    warned : bool
        Whether nucwsi has logged a warning that the sound file does not come with.
    told : str
        The error output.
    result : Any
        What is compared; None if a command failed.
    """

    end: str
    code: int = 0
    step: int = 0
    warned: bool = False
    told: str = ""
    result: Any = None


class Verdict(NamedTuple):
    """What to think of a case.

    Attributes
    ----------
    outcome : str
        One of `FINE`, or the name of a fault.
    why : str
        The line that shows it.
    """

    outcome: str
    why: str = ""


@dataclass(frozen=True)
class Case:
    """A damaged file.

    Attributes
    ----------
    number : int
        With the seed, it decides everything else.
    subject : Subject
        What is damaged.
    mutator : str
        Name of what damages it.
    mutant : Mutant
        The damaged file.
    """

    number: int
    subject: Subject
    mutator: str
    mutant: Mutant


class _Warnings(logging.Handler):
    """Notes what the package warns of.

    Parameters
    ----------
    known : frozenset of str
        Warnings that do not count.
    """

    def __init__(self, known: frozenset[str]) -> None:
        super().__init__(logging.WARNING)
        self._known = known
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if (said := record.getMessage()) not in self._known:
            self.seen.append(said)


def _answer(subject: Subject, folder: Path, known: frozenset[str]) -> int:
    """Run the commands of a subject in this process, and note what came of them."""
    os.chdir(folder)
    with Path("stderr").open("wb") as err, Path("stdout").open("wb") as out:
        os.dup2(err.fileno(), 2)
        os.dup2(out.fileno(), 1)
    warnings = _Warnings(known)
    logging.getLogger("nucwsi").addHandler(warnings)
    subject.before()
    code = 0
    for words in subject.commands:
        try:
            main(words.split(), prog_name="nucwsi")
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if code:
            break
    step = subject.commands.index(words)
    sys.stdout.flush()
    result = subject.result(Path("out")) if code == 0 else None
    warned = bool(warnings.seen)
    noted = {"code": code, "step": step, "warned": warned, "result": result}
    Path("warnings").write_text(json.dumps(warnings.seen))
    Path("noted").write_text(json.dumps(noted))
    return 0


def forked(work: Callable[[], int], limits: Limits) -> tuple[str, int]:
    """Do something in a child; return how it ended, and its exit code or its signal."""
    sys.stdout.flush()
    sys.stderr.flush()
    own_mb = _resident_mb("self")
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            # A shell that starts this in the background has it ignored.
            signal.signal(signal.SIGQUIT, signal.SIG_DFL)
            code = work()
        except BaseException:  # noqa: BLE001 (what escapes is a finding)
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    end = _watched(pid, limits)
    _, status, usage = os.wait4(pid, 0)
    if end is None and usage.ru_maxrss / 1024 - own_mb > limits.memory_mb:
        end = "memory"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return end or ("hang" if number == signal.SIGXCPU else "crash"), number
    return end or "exit", os.WEXITSTATUS(status)


def _watched(pid: int, limits: Limits) -> str | None:
    """Wait for a child; end it if it takes too much, and say of what."""
    handle = os.pidfd_open(pid)
    started = time.monotonic()
    try:
        while not select.select([handle], [], [], 0.02)[0]:
            too_long = time.monotonic() - started > limits.clock_s
            if too_long or _taken_mb(pid) > limits.memory_mb:
                os.kill(pid, signal.SIGKILL)
                return "hang" if too_long else "memory"
    finally:
        os.close(handle)
    return None


def _resident_mb(pid: int | str) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6
    except (OSError, IndexError):
        return 0.0


def _taken_mb(pid: int) -> float:
    """Return the memory that a child has written to itself; what it shares does not count."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_Dirty")) / 1000


class Bench:
    """The sound files, and what the commands make of them.

    Parameters
    ----------
    folder : pathlib.Path
        An empty folder to work in.
    limits : Limits
        For each case.
    subjects : tuple of Subject
        What is damaged.
    """

    def __init__(
        self, folder: Path, limits: Limits = _LIMITS, subjects: tuple[Subject, ...] = SUBJECTS
    ) -> None:
        self.folder, self.limits, self.subjects = folder, limits, subjects
        self._sound: dict[str, Any] = {}
        self._warnings: dict[str, frozenset[str]] = {}

    def _kit(self, kit: Kit) -> Path:
        """Return the folder of a kit; make it if it is not there yet."""
        place = self.folder / kit.__name__
        if not place.exists():
            place.mkdir(parents=True)
            end = forked(lambda: kit(place) or 0, Limits(600, 600.0, 8000.0))
            if end != ("exit", 0):
                raise RuntimeError(f"{kit.__name__} could not be made: {end}")
        return place

    def file(self, subject: Subject) -> Path:
        """Return the sound file of a subject."""
        return self._kit(subject.kit) / subject.file

    def case(self, seed: int, number: int) -> Case:
        """Return the damaged file that a seed and a number stand for."""
        rng = Random(f"{seed}/{number}")  # noqa: S311 (it shall repeat)
        subject = rng.choice(self.subjects)
        mutator = rng.choice(subject.mutators)
        name = getattr(mutator, "__qualname__", "").split(".")[0]
        return Case(number, subject, name, mutator(self.file(subject).read_bytes(), rng))

    def run(self, subject: Subject, data: bytes) -> Ran:
        """Run the commands of a subject on its file with such a content."""
        kit, place = self._kit(subject.kit), self.folder / "case"
        shutil.rmtree(place, ignore_errors=True)
        (place / "in").mkdir(parents=True)
        (place / "out").mkdir()
        for path in (path for path in kit.rglob("*") if path.is_file()):
            here = place / "in" / path.relative_to(kit)
            here.parent.mkdir(parents=True, exist_ok=True)
            if path != kit / subject.file:
                here.symlink_to(path)
        (place / "in" / subject.file).write_bytes(data)
        known = self._warnings.get(subject.name, frozenset())
        end, code = forked(lambda: _answer(subject, place, known), self.limits)
        told = (place / "stderr").read_text("utf-8", "replace")
        noted = place / "noted"
        if end != "exit" or not noted.exists():
            return Ran(end, code, told=told)
        return Ran(end=end, told=told, **json.loads(noted.read_text()))

    def sound(self, subject: Subject) -> Any:
        """Return the result of the sound file."""
        if subject.name not in self._sound:
            ran = self.run(subject, self.file(subject).read_bytes())
            if ran.end != "exit" or ran.code:
                raise RuntimeError(f"the sound {subject.name} is not accepted: {ran}")
            said = json.loads((self.folder / "case" / "warnings").read_text())
            self._warnings[subject.name] = frozenset(said)
            self._sound[subject.name] = ran.result
        return self._sound[subject.name]

    def judge(self, case: Case) -> tuple[Verdict, Ran]:
        """Run a case and say what to think of it."""
        sound = self.sound(case.subject)
        ran = self.run(case.subject, case.mutant.data)
        left = [p.name for p in (self.folder / "case" / "out").iterdir()]
        return verdict(case, ran, sound, left), ran


def verdict(case: Case, ran: Ran, sound: Any, left: list[str]) -> Verdict:
    """Say what to think of a command that has run.

    Parameters
    ----------
    case : Case
        What it was given.
    ran : Ran
        What it did.
    sound : Any
        Its result on the sound file.
    left : list of str
        Names in the folder of results.
    """
    subject = case.subject
    lines = [line for line in ran.told.splitlines() if line.strip() and not _LOGGED.match(line)]
    last = lines[-1] if lines else ""
    if ran.end != "exit":
        return Verdict(ran.end, f"signal {ran.code}" if ran.code else "")
    if any(line.startswith("Traceback") for line in lines):
        return Verdict("traceback", last)
    if ran.code == _LACK_OF_MEMORY:
        return Verdict("memory", last)
    if ran.code not in (0, 1, 2):
        return Verdict("exit code", f"{ran.code}: {last}")
    if ran.code and subject.judges and not lines:
        return Verdict("refused")
    if ran.code:
        return _of_refusal(subject, ran, lines, left)
    if lines:
        return Verdict("noise", lines[0])
    if alike(ran.result, sound, subject.tolerance):
        return Verdict("same")
    if ran.warned:
        return Verdict("warned")
    if case.mutant.telling:
        return Verdict("silent", difference(ran.result, sound))
    return Verdict("other")


def _of_refusal(subject: Subject, ran: Ran, lines: list[str], left: list[str]) -> Verdict:
    """Judge how a file was refused: in one line, in time, and with nothing left behind."""
    verb = subject.commands[ran.step].split()[0]
    last = lines[-1] if lines else ""
    if len(lines) != 1 or not last.startswith(f"nucwsi {verb}: "):
        return Verdict("lines", f"{len(lines)} lines: {last:.300}")
    if ran.step:
        return Verdict("late", last)
    if len(last) > _LONGEST_LINE:
        return Verdict("long", f"{len(last)} characters: {last:.300}")
    if "in/" not in last:
        return Verdict("unnamed", last)
    kept = [name for name in left if not name.endswith(".work")]
    return Verdict("left behind", f"{kept}: {last}") if kept else Verdict("refused", last)
