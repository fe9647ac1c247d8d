"""Every file that a verb reads may be damaged: one line names it, and no other number comes out.

No verb writes over such a file either. ``NUCWSI_FLIPS`` says how many bits of each are flipped.
"""

import os
import shutil
import signal
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from commands import run, succeeded
from shown import phantom_nuclei, write_results

FLIPS = int(os.environ.get("NUCWSI_FLIPS", "4"))

#: Files with checksums, of which every bit counts. A bit that is flipped in another text may give a
#: text that is just as good.
PROVEN = (".parquet", ".zarr.zip", "tissue.geojson", "small.regions.geojson")


@pytest.fixture(scope="module")
def made(small_slide, tiny_member, tmp_path_factory):
    """A folder with an output of every verb, and the labelled images of the second workflow."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copy(small_slide, folder / "slide.tiff")
    member = f"--member={tiny_member}"
    tissue = ("--tissue-output", folder / "of_tile.geojson")
    succeeded("tile", small_slide, "-o", folder / "tiles.zarr.zip", *tissue, member)
    succeeded(
        *("predict", folder / "tiles.zarr.zip", "-o", folder / "maps.zarr.zip", member),
        "--device=cpu",
    )
    succeeded("segment", folder / "maps.zarr.zip", "-o", folder / "part.parquet")
    results = write_results(small_slide, folder / "results", phantom_nuclei(keep=200), ["a", "b"])
    (results / "benchmarks" / "small").mkdir(parents=True)
    benchmark = "s\th:m:s\tmax_rss\tcpu_time\n1.5\t0:00:01\t100\t1.2\n"
    (results / "benchmarks" / "small" / "tile.tsv").write_text(benchmark)
    table = results / "nuclei.parquet"
    succeeded("export", table, "-o", results / "small.nuclei.qupath.zip")
    succeeded("features", small_slide, table, "-o", results / "features.parquet")
    known = pd.read_parquet(results / "features.parquet")[["id", "area_um2"]].head(60)
    known["class"] = np.where(known["area_um2"] > known["area_um2"].median(), "large", "small")
    known[["id", "class"]].to_csv(results / "answers.csv", index=False)
    succeeded("teach", results, results / "answers.csv", "-o", results / "sizes.classifier")
    succeeded("assess", small_slide, table, "-o", results / "assessment.json")
    return folder


#: Verb -> its words, and the files that it reads; {out} is a folder to write into.
VERBS = {
    "predict": (
        "predict tiles.zarr.zip -o {out}/m.zarr.zip --member={member} --device=cpu",
        ["tiles.zarr.zip"],
    ),
    "segment": ("segment maps.zarr.zip -o {out}/p.parquet", ["maps.zarr.zip"]),
    "stitch": ("stitch part.parquet -o {out}/n.parquet --seams {out}/s.json", ["part.parquet"]),
    "features": (
        "features slide.tiff results/nuclei.parquet -o {out}/f.parquet",
        ["results/nuclei.parquet"],
    ),
    "classify": (
        "classify slide.tiff results/nuclei.parquet -o {out}/n.parquet"
        " --classifier results/sizes.classifier --features results/features.parquet",
        ["results/nuclei.parquet", "results/sizes.classifier", "results/features.parquet"],
    ),
    "teach": (
        "teach results/nuclei.parquet results/answers.csv -o {out}/c",
        ["results/nuclei.parquet", "results/features.parquet"],
    ),
    "compose": (
        "compose results/nuclei.parquet --regions results/drawn.geojson -o {out}/c.csv"
        " --geojson {out}/r.geojson --morphometry {out}/m.csv --neighbours {out}/n.csv",
        ["results/nuclei.parquet", "results/tissue.geojson", "results/drawn.geojson"],
    ),
    "export": (
        "export results/nuclei.parquet -o {out}/s.nuclei.qupath.zip --ome-zarr --flatgeobuf --csv",
        ["results/nuclei.parquet"],
    ),
    "summary": (
        "summary results/composition.csv results/composition.csv -o {out}/all.csv",
        ["results/composition.csv"],
    ),
    "assess": (
        "assess slide.tiff results/nuclei.parquet -o {out}/a.json",
        [
            *("results/nuclei.parquet", "results/tissue.geojson", "results/composition.csv"),
            *("results/morphometry.csv", "results/seams.json", "results/small.regions.geojson"),
        ],
    ),
    "render": (
        "render slide.tiff results/nuclei.parquet -o {out}/viewer/index.html",
        [
            *("results/nuclei.parquet", "results/tissue.geojson"),
            "results/small.regions.geojson",
        ],
    ),
    "report": (
        "report results/assessment.json -o {out}/report.html --benchmarks results/benchmarks",
        ["results/assessment.json", "results/benchmarks/small/tile.tsv"],
    ),
    "provenance": (
        "provenance results/nuclei.parquet -o {out}/p.json --benchmarks results/benchmarks/small",
        [
            *("results/nuclei.parquet", "results/composition.csv", "results/seams.json"),
            *("results/small.regions.geojson", "results/small.nuclei.qupath.zip"),
            "results/benchmarks/small/tile.tsv",
        ],
    ),
}

CASES = [(verb, name) for verb, (_, names) in VERBS.items() for name in names]


@contextmanager
def replaced(path, put):
    """Put something else in the place of a file, and bring the file back."""
    aside = path.with_name(f"aside-{path.name}")
    path.rename(aside)
    try:
        put(path, aside.read_bytes())
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        aside.rename(path)


@contextmanager
def at_most(seconds):
    """End the test instead of waiting for ever."""

    def late(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ran(verb, folder, member, out):
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    words = [word.format(out=out, member=member) for word in VERBS[verb][0].split()]
    words = [str(folder / word) if (folder / word).exists() else word for word in words]
    # What is damaged may be a folder or gone for a moment.
    for name in VERBS[verb][1]:
        words = [str(folder / name) if word == name else word for word in words]
    with at_most(60):
        result = run(*words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def contents(out):
    """All files of a folder; what a run leaves behind is among them."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def refusal(result, path, verb):
    """Check that a command ended with one line that names the file, and wrote nothing."""
    last = result.output.splitlines()[-1]
    assert last.startswith(f"nucwsi {verb}: "), result.output
    assert str(path) in last, last
    assert result.exit_code in {1, 2}


def half(path, content):
    path.write_bytes(content[: len(content) // 2])


def without_its_end(path, content):
    path.write_bytes(content[:-3])


def empty(path, content):
    path.write_bytes(b"")


def picture(path, content):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)


def noise(path, content):
    path.write_bytes(np.random.default_rng(1).bytes(len(content)))


def utf16(path, content):
    path.write_bytes(content.decode("latin-1").encode("utf-16"))


def latin1(path, content):
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b"\xe4" + content[middle:])


def folder(path, content):
    path.mkdir()


def pipe(path, content):
    os.mkfifo(path)


def gone(path, content):
    pass


#: Damage that leaves a file of times, of which only what can be read is shown, as good as it was.
HARMLESS = {half, without_its_end, empty, gone}


@pytest.mark.parametrize(
    "damage", [half, without_its_end, empty, picture, noise, utf16, latin1, folder, pipe, gone]
)
@pytest.mark.parametrize(("verb", "name"), CASES)
def test_a_damaged_input_is_named_and_nothing_is_written(
    made, tiny_member, tmp_path, verb, name, damage
):
    path = made / name
    with replaced(path, damage):
        result = ran(verb, made, tiny_member, tmp_path / "out")
    optional = verb == "provenance" and damage is gone and name != "results/nuclei.parquet"
    readable = name == "results/drawn.geojson" and damage is utf16
    if (name.endswith(".tsv") and damage in HARMLESS) or optional or readable:
        assert result.exit_code == 0, result.output
        return
    refusal(result, path, verb)
    assert not contents(tmp_path / "out"), "nothing is written, and nothing is left behind"


@pytest.mark.parametrize(("verb", "name"), CASES)
def test_a_flipped_bit_gives_no_other_result_and_no_traceback(
    made, tiny_member, tmp_path, verb, name
):
    path, out = made / name, tmp_path / "out"
    assert ran(verb, made, tiny_member, out).exit_code == 0
    expected = contents(out)
    rng = np.random.default_rng(len(name) + len(verb))

    def flip(target, content):
        wrong = bytearray(content)
        wrong[int(rng.integers(len(wrong)))] ^= 1 << int(rng.integers(8))
        target.write_bytes(wrong)

    for _ in range(FLIPS):
        with replaced(path, flip):
            result = ran(verb, made, tiny_member, out)
        if result.exit_code:
            refusal(result, path, verb)
        elif name.endswith(PROVEN) and verb != "provenance":
            assert contents(out) == expected


@pytest.mark.parametrize("how", ["same", "link", "hard link"])
@pytest.mark.parametrize(("verb", "name"), [case for case in CASES if case[0] != "render"])
def test_no_verb_writes_over_what_it_reads(made, tiny_member, tmp_path, verb, name, how):
    if name.endswith(".tsv"):
        target = (made / name).with_name("new.json")  # in the folder that is read
    else:
        target = made / name if how == "same" else tmp_path / "link"
        if how == "link":
            target.symlink_to(made / name)
        if how == "hard link":
            os.link(made / name, target)
    before = (made / name).read_bytes()
    words = VERBS[verb][0].format(out=tmp_path, member=tiny_member).split()
    words[words.index("-o") + 1] = str(target)
    result = run(*(str(made / word) if (made / word).exists() else word for word in words))
    assert result.exit_code == 2, result.output
    assert "name another output" in result.output or "is read; name an output" in result.output
    assert (made / name).read_bytes() == before


def test_a_viewer_does_not_replace_what_it_is_made_of(made):
    words = ("render", made / "slide.tiff", made / "results" / "nuclei.parquet", "-o")
    before = contents(made / "results")
    assert run(*words, made / "results" / "index.html").exit_code == 2
    assert contents(made / "results") == before
