"""`nucwsi import` reads its options before it opens anything."""

import pytest
from click.testing import CliRunner

from nucwsi.cli.commands import main
from nucwsi.steps import import_nuclei


@pytest.fixture
def called(monkeypatch):
    """What `import` was called with; nothing is read."""
    calls = []
    monkeypatch.setattr(import_nuclei, "import_nuclei", lambda *a, **k: calls.append((a, k)))

    def invoke(*words):
        calls.clear()
        ran = CliRunner().invoke(main, ["import", "n.json", "-o", "r/n.parquet", *words])
        return ran, dict(calls[0][1]) if calls else None

    return invoke


def test_what_is_not_said_follows_from_the_slide_and_the_output(called):
    _, said = called("--slide", "a/b c.svs", "--classes", "1=tumour, 2 = plasma cell")
    assert said["name"] == "b_c"
    assert {str(said["tissue_output"]), str(said["seams"])} == {
        "r/tissue.geojson",
        "r/seams.json",
    }
    assert said["class_names"] == {"1": "tumour", "2": "plasma cell"}
    assert said["nuclei_mpp"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--name", "a/b"), "the name 'a/b' of the slide"),
        (("--classes", "tumour"), "--classes: 'tumour'"),
        (("--nuclei-mpp", "0"), "--nuclei-mpp"),
    ],
)
def test_options_that_mean_nothing_are_refused(called, words, message):
    ran, said = called("--slide", "a.svs", *words)
    assert ran.exit_code != 0
    assert message in str(ran.exception) + ran.output
    assert said is None
