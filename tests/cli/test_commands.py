"""The program: quick to answer, and every verb in its place."""

import subprocess
import sys

import pytest
from commands import run

from nucwsi import __version__
from nucwsi.cli.commands import main

VERBS = ("tile", "predict", "segment", "stitch", "compose", "export", "summary", "phantom")


def test_help_lists_the_verbs_in_the_order_of_the_pipeline():
    text = run("--help").output
    places = [text.index(f"  {verb} ") for verb in VERBS]
    assert places == sorted(places)


def test_the_list_of_verbs_shows_whole_sentences():
    assert "..." not in run("--help").output.partition("Commands:")[2]


@pytest.mark.parametrize("verb", list(main.commands))
def test_every_verb_explains_itself(verb):
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize("verb", list(main.commands))
def test_every_option_is_explained(verb):
    explained = {"help", "version"}
    for parameter in main.commands[verb].params:
        if parameter.param_type_name == "option" and parameter.name not in explained:
            assert parameter.help, parameter.name


def test_the_version_is_that_of_the_package():
    assert run("--version").output == f"main, version {__version__}\n"


@pytest.mark.parametrize(
    "statement", ["import nucwsi", "from nucwsi.cli.commands import main; main(['--help'])"]
)
def test_nothing_heavy_is_loaded_for_help(statement):
    code = (
        "import sys, atexit\n"
        "heavy = {'torch', 'zarr', 'pandas', 'openslide', 'scipy', 'pyarrow'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n" + statement
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("HEAVY []\n")
