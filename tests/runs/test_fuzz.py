"""Damaged files of all kinds: a short run of the machine that damages them, and the machine itself.

``make fuzz`` runs it for an hour.
"""

import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from random import Random

import numpy as np
import pytest
import tifffile
from conftest import ROOT
from fuzz.compared import alike
from fuzz.mutators import Mutant
from fuzz.runner import Bench, Case, Limits, Ran, forked, verdict
from fuzz.subject import Subject
from fuzz.subjects import SUBJECTS
from slides_made import picture, write_aperio, write_slide

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.slides.slide import open_slide
from nucwsi.io.slides.tiff import TiffReader

N_CASES = 60

# The processes of a test have threads, those of the machine have none.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def test_damage_is_refused_or_makes_no_difference(tmp_path):
    """The first cases of a fixed seed; the log names a case that fails, and how to repeat it."""
    command = (sys.executable, "-m", "fuzz", "--seed", "1", "--cases", str(N_CASES))
    ran = subprocess.run(
        [*command, "--keep", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"seed 1: {N_CASES} cases in " in ran.stdout


def work(how):
    """Return what a child of `forked` does that ends in such a way."""

    def eat():
        eaten = bytearray(b"x" * 200_000_000)
        time.sleep(20)
        return len(eaten) & 1

    def loop():
        while True:
            pass

    return {
        "well": lambda: 0,
        "refused": lambda: 3,
        "raises": lambda: 1 // 0,
        "crashes": lambda: os.kill(os.getpid(), signal.SIGQUIT) or 0,
        "eats": eat,
        "waits": lambda: time.sleep(60) or 0,
        "loops": loop,
    }[how]


@pytest.mark.parametrize(
    ("how", "end"),
    [
        ("well", ("exit", 0)),
        ("refused", ("exit", 3)),
        ("raises", ("exit", 70)),
        ("crashes", ("crash", signal.SIGQUIT)),
        ("eats", ("memory", signal.SIGKILL)),
        ("waits", ("hang", signal.SIGKILL)),
        ("loops", ("hang", signal.SIGXCPU)),
    ],
)
def test_how_a_command_ends_is_seen(how, end, capfd):
    limits = Limits(cpu_s=1, clock_s=1.0 if how == "waits" else 30.0, memory_mb=100.0)
    assert forked(work(how), limits) == end
    assert ("ZeroDivisionError" in capfd.readouterr().err) == (how == "raises")


def test_openslide_asks_for_no_tile_that_no_memory_holds(tmp_path):
    """It would end the process: "failed to allocate 2199023254528 bytes"."""
    path = write_aperio(tmp_path / "large.svs", picture(560, 700))
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[1].tags["TileLength"].overwrite(2**31 - 1)

    def read():
        with suppress(SlideError), open_slide(path) as slide:
            for level in range(len(slide.levels)):
                slide.read(level, Window(0, 0, 100, 100))
        return 0

    assert forked(read, Limits()) == ("exit", 0)


@pytest.mark.parametrize(("page", "to"), [(0, 0), (1, 1), (1, 0), (149, 20)])
def test_pages_that_lead_in_a_circle_come_to_an_end(tmp_path, page, to):
    """tifffile notices a circle only if the 100th page belongs to it, and not while it iterates."""
    path = tmp_path / "circle.tif"
    with tifffile.TiffWriter(path) as writer:
        for _ in range(page + 1):
            writer.write(np.zeros((16, 16, 3), np.uint8), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path) as file:
        at = [(each.offset, len(each.tags)) for each in file.pages]
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, at[page][0] + 2 + 12 * at[page][1], at[to][0])
    path.write_bytes(content)
    with pytest.raises(SlideError, match="its pages lead in a circle; it is damaged, copy it"):
        TiffReader(path)


@pytest.mark.parametrize("side", ["ImageWidth", "ImageLength"])
@pytest.mark.parametrize("make", [write_slide, write_aperio])
def test_a_slide_that_says_it_is_smaller_than_its_tiles_is_refused(tmp_path, make, side):
    path = make(tmp_path / "smaller.svs", picture(560, 700))
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[side].overwrite(500)
    with pytest.raises(SlideError, match=r"tiles of 256 x 256 px where . are needed; it is dam"):
        open_slide(path)


SUBJECT = Subject("s", print, "file.x", (), ("compose in/file.x", "segment in/file.x"))
LINE = "nucwsi compose: in/file.x: is damaged; make it again\n"
SOUND = {"mpp": 0.5}


@pytest.mark.parametrize(
    ("ran", "telling", "left", "outcome"),
    [
        (Ran("exit", result=SOUND), True, ["o"], "same"),
        (Ran("exit", result=SOUND, told="12:00:00 3 regions\n"), True, ["o"], "same"),
        (Ran("exit", result={"mpp": 0.7}, warned=True), True, ["o"], "warned"),
        (Ran("exit", result={"mpp": 0.7}), False, ["o"], "other"),
        (Ran("exit", result={"mpp": 0.7}), True, ["o"], "silent"),
        (Ran("exit", result=SOUND, told="x.py:3: RuntimeWarning: overflow\n"), True, [], "noise"),
        (Ran("exit", 1, told=LINE), True, [], "refused"),
        (Ran("exit", 1, told=f"12:00:00 begins\n{LINE}"), True, [], "refused"),
        (Ran("exit", 1, told=LINE), True, [".o.work"], "refused"),
        (Ran("exit", 1, told=LINE), True, ["o"], "left behind"),
        (Ran("exit", 1, told=LINE + LINE), True, [], "lines"),
        (Ran("exit", 1), True, [], "lines"),
        (Ran("exit", 1, told=LINE.replace("in/file.x", "it")), True, [], "unnamed"),
        (Ran("exit", 1, told=LINE[:-1] + 1000 * "x"), True, [], "long"),
        (Ran("exit", 75, told=LINE), True, [], "memory"),
        (Ran("exit", 1, step=1, told=LINE.replace("compose", "segment")), True, ["o"], "late"),
        (Ran("exit", 3, told=LINE), True, [], "exit code"),
        (Ran("exit", 70, told="Traceback (most recent\nKeyError: 1\n"), True, [], "traceback"),
        (Ran("crash", 11), True, [], "crash"),
        (Ran("hang", 9), True, [], "hang"),
        (Ran("memory", 9), True, [], "memory"),
    ],
)
def test_every_fault_has_its_name(ran, telling, left, outcome):
    case = Case(0, SUBJECT, "m", Mutant(b"", "", telling))
    assert verdict(case, ran, SOUND, left).outcome == outcome


def test_results_are_alike_up_to_the_tolerance():
    one = {"a": [1.0, 2.0], "b": "x"}
    assert alike(one, {"a": [1.01, 2.0], "b": "x"}, 0.02)
    for other in ({"a": [1.1, 2.0], "b": "x"}, {"a": [1.0], "b": "x"}, {"a": [1.0, 2.0]}, None):
        assert not alike(one, other, 0.02)
    assert not alike(one, {**one, "b": "y"}, 0.02)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"))


def test_a_seed_and_a_number_are_always_the_same_case(bench):
    for number in range(20):
        one, other = bench.case(5, number), bench.case(5, number)
        assert (one.subject.name, one.mutant) == (other.subject.name, other.mutant)
    assert bench.case(6, 0).mutant != bench.case(5, 0).mutant


@pytest.mark.parametrize("subject", SUBJECTS, ids=[subject.name for subject in SUBJECTS])
def test_all_damage_can_be_done(bench, subject):
    sound = bench.file(subject).read_bytes()
    for mutator in subject.mutators:
        changed = [mutator(sound, Random(seed)).data != sound for seed in range(8)]  # noqa: S311
        assert any(changed)
