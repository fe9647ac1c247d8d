"""`nucwsi run` keeps its slides and settings with the results, and hands the rest to Snakemake."""

import fcntl
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nucwsi.errors import CheckpointError, ConfigError, StoreError
from nucwsi.io.slides.sheet import read_sheet
from nucwsi.workflow import run as module
from nucwsi.workflow.fingerprints import slide_fingerprints
from nucwsi.workflow.run import Request, run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("x/a.svs", "y/a.svs", "b's 2.svs"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def start(folder, monkeypatch):
    """Calls `run` with a Snakemake that notes its command; returns what the user is told."""
    commands = []
    monkeypatch.setattr(
        module, "followed", lambda command, *_: commands.append(command) or (0, "Done")
    )

    def call(*slides, words=(), dry=False, mpp=None, configuration=(), profile="local", o="res"):
        told = []
        request = Request(
            tuple(map(Path, slides)), Path(o), mpp, configuration, profile, dry, words
        )
        assert run(request, note=told.append, say=told.append) == 0
        return told

    call.commands = commands
    return call


def sheet(results="res"):
    return {e.name: str(e.path) for e in read_sheet(Path(results, "config", "slides.tsv"))}


def test_slides_of_a_second_run_are_added(start, folder):
    assert start("x/a.svs") == ["res: 1 slide, 1 of them new", "Done"]
    assert start("b's 2.svs") == ["res: 2 slides, 1 of them new", "Done"]
    assert sheet() == {"a": f"{folder}/x/a.svs", "b_s_2": f"{folder}/b's 2.svs"}
    assert start() == ["res: 2 slides, 0 of them new", "Done"], "goes on with all of them"
    told = start("y")
    assert told[1] == f"y/a.svs is called y_a: {folder}/x/a.svs is a already"
    assert list(sheet()) == ["a", "b_s_2", "y_a"]


def test_snakemake_works_in_the_folder_of_results(start, folder):
    start("x/a.svs", words=("--cores", "3", "--resources", "gpu=2"), profile="slurm")
    [command] = start.commands
    assert command[:3] == [sys.executable, "-m", "snakemake"]
    options = dict(zip(command[3::2], command[4::2], strict=False))
    assert options["--directory"] == f"{folder}/res"
    assert Path(options["--snakefile"]).name == "Snakefile"
    assert options["--configfile"] == f"{folder}/res/config/config.yaml"
    assert command[-4:] == ["--cores", "3", "--resources", "gpu=2"]
    assert any(word.endswith("profiles/slurm") for word in command)
    kept = yaml.safe_load(Path("res/config/config.yaml").read_text())
    assert kept == {"slides": "config/slides.tsv", "output": "."}


def test_a_sheet_in_the_working_directory_is_not_that_of_the_results(start, folder):
    """In a clone: `nucwsi run -o results` went on with the clone's own sheet."""
    start("x/a.svs")
    Path("config").mkdir()
    Path("config/slides.tsv").write_text("slide\tpath\nb\tb.svs\n")
    assert start() == ["res: 1 slide, 0 of them new", "Done"]


@pytest.mark.parametrize(
    ("profile", "text", "program"),
    [
        ("local", "", "nucwsi.cli.workflow"),
        ("mine", "cores: 3\n", "nucwsi.cli.workflow"),
        ("mine", "jobs: 9\nexecutor: lsf\n", "snakemake"),
        ("slurm", "", "snakemake"),
    ],
)
def test_jobs_of_this_computer_are_forked(start, folder, profile, text, program):
    Path("mine").mkdir()
    Path("mine/profile.yaml").write_text(text)
    start("x/a.svs", profile=profile)
    [command] = start.commands
    assert command[:3] == [sys.executable, "-m", program]


def test_settings_are_kept_until_others_are_given(start, folder, tiny_member):
    Path("net.safetensors").symlink_to(tiny_member)
    Path("my.yaml").write_text("members: [net.safetensors]\noutput: elsewhere\n")
    start("x/a.svs", configuration=("my.yaml",))
    start("y/a.svs")
    kept = yaml.safe_load(Path("res/config/config.yaml").read_text())
    assert kept["members"] == [f"{folder}/net.safetensors"]
    assert kept["output"] == "."
    told = start(configuration=("fast",))
    assert told[1].startswith("the settings are others than before")
    assert start(configuration=("fast",))[1:] == ["Done"]


def test_kept_settings_that_are_damaged_are_named(start):
    """Damage at random (seed 3, case 254): it said "configuration", and not which."""
    start("x/a.svs")
    with Path("res/config/config.yaml").open("a") as stream:
        stream.write("predict:\n  colour: red\n")
    with pytest.raises(ConfigError, match=r"^res/config/config\.yaml: unknown setting `predict.co"):
        start("y/a.svs")


@pytest.mark.parametrize(
    ("slides", "message"),
    [
        # Damage at random (seed 4, cases 563 and 1036): it named a path that nobody had given.
        ("config/slides.ts", "config/slides.ts: slide 'slides.ts': config/slides.ts is not a file"),
        ("no.tsv", "no.tsv: does not exist"),
        ("[a, b]", "['a', 'b'], expected the path of a slide sheet or of slides"),
        ("7", "7, expected the path"),
        ("''", "'', expected the path"),
        ("null", "None, expected the path"),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_slides_that_a_configuration_names_wrongly_are_told_with_it(start, slides, message, kept):
    file = Path("res/config/config.yaml" if kept else "my.yaml")
    if kept:
        start("x/a.svs")
    file.write_text(f"slides: {slides}\n")
    with pytest.raises(ConfigError, match=re.escape(f"{file}: `slides`: {message}")):
        start(configuration=() if kept else ("my.yaml",))


def test_a_setting_that_names_no_file_is_told_with_its_configuration(start):
    Path("my.yaml").write_text("tile: {tissue: no.png}\n")
    with pytest.raises(ConfigError, match=r"^my\.yaml: `tile\.tissue`: 'no\.png' is no file"):
        start("x/a.svs", configuration=("my.yaml",))


def test_the_slides_of_a_configuration_are_used_where_none_are_named(start):
    Path("my.yaml").write_text("slides: x\n")
    start(configuration=("my.yaml",))
    assert list(sheet()) == ["a"]


def test_a_size_of_pixels_is_kept(start):
    start("x/a.svs", mpp=0.5)
    start("x/a.svs", "y/a.svs")
    entries = read_sheet(Path("res/config/slides.tsv"))
    assert [(entry.name, entry.mpp) for entry in entries] == [("a", 0.5), ("y_a", None)]
    with pytest.raises(ConfigError, match=r"res/config/slides\.tsv, slide 2: mpp '9\.0' is not pl"):
        start("y/a.svs", mpp=9.0)
    assert read_sheet(Path("res/config/slides.tsv")) == entries, "what is refused is not kept"


def test_a_slide_that_has_moved_keeps_its_name(start, folder):
    start("x/a.svs")
    entries = {entry.name: entry for entry in read_sheet(Path("res/config/slides.tsv"))}
    slide_fingerprints(entries, Path("res"), frozenset())
    Path("x/a.svs").rename("moved.svs")
    Path("moved.svs").rename("y/a.svs")
    told = start("y/a.svs")
    assert told[:2] == [
        "res: 1 slide, 0 of them new",
        f"a: {folder}/x/a.svs is now y/a.svs; analysed anew",
    ]
    Path("y/a.svs").rename("x/b.svs")
    Path("y/a.svs").write_bytes(b"another slide")
    Path("res/a").mkdir()
    Path("res/a/nuclei.parquet").touch()
    (Path("res/config/slides.tsv")).write_text(f"slide\tpath\na\t{folder}/x/a.svs\n")
    start("y/a.svs")
    assert list(sheet_of_all()) == ["a", "y_a"]


def sheet_of_all():
    return [e.name for e in read_sheet(Path("res/config/slides.tsv"), lambda _: True)]


def test_results_that_belong_to_no_slide_are_told(start):
    Path("res/old").mkdir(parents=True)
    Path("res/old/nuclei.parquet").touch()
    assert start("x/a.svs")[1].startswith("old: in this folder, but not in config/slides.tsv")


def test_a_dry_run_keeps_nothing(start, folder, monkeypatch):
    ran = []
    monkeypatch.setattr(
        module.subprocess,
        "run",
        lambda command, check: ran.append(command) or subprocess.CompletedProcess(command, 0),
    )
    start("x/a.svs", dry=True)
    assert not Path("res").exists()
    assert ran[0][-1] == "--dry-run"
    start("x/a.svs")
    start("y/a.svs", dry=True)
    assert list(sheet()) == ["a"]
    assert f"{folder}/res" in ran[1]


@pytest.mark.parametrize(
    ("error", "settings", "message"),
    [
        (ConfigError, {"slides": ["none.svs"]}, r"none\.svs is not a file"),
        (ConfigError, {"slides": []}, "res: holds no slides yet; name some"),
        (ConfigError, {"configuration": ("nope",)}, "nope: there is no such configuration"),
        (ConfigError, {"profile": "pbs"}, "pbs: there is no such profile"),
        (ConfigError, {"words": ("--directory", "/x")}, "--directory is set by `nucwsi run` its"),
        (ConfigError, {"words": ("-s=x",)}, "-s=x is set by `nucwsi run` itself; use -o RESULTS"),
        (ConfigError, {"configuration": ("bad.yaml",)}, r"^bad\.yaml: unknown setting `colour`"),
        (CheckpointError, {"configuration": ("net.yaml",)}, r"^net\.yaml: .*'none': no such file"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_kept(start, error, settings, message):
    Path("bad.yaml").write_text("colour: red\n")
    Path("net.yaml").write_text("members: [none]\n")
    with pytest.raises(error, match=message):
        start(*settings.pop("slides", ["x/a.svs"]), **settings)
    assert not Path("res/config").exists()
    assert not start.commands


@pytest.mark.parametrize(("profile", "extra"), [("local", "workflow"), ("slurm", "slurm")])
def test_without_snakemake_the_way_to_install_it_is_told(start, monkeypatch, profile, extra):
    missing = {"workflow": "snakemake", "slurm": "snakemake_executor_plugin_slurm"}[extra]
    found = module.importlib.util.find_spec
    monkeypatch.setattr(
        module.importlib.util, "find_spec", lambda name: None if name == missing else found(name)
    )
    with pytest.raises(ConfigError, match=rf"pip install 'nucwsi\[{extra}\]'"):
        start("x/a.svs", profile=profile)


def test_two_runs_do_not_share_results(start):
    start("x/a.svs")
    with Path("res/.run.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="res: another run works on these results"):
            start("y/a.svs")
    start("y/a.svs")
