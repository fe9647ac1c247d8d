"""Commands of the workflow: each hands its settings to the step of its name, and loads no more."""

import subprocess
import sys

import pytest
from commands import run

from nucwsi.config import SegmentSettings

HEAVY = {
    *("torch", "zarr", "dask", "pandas", "skimage", "rasterio", "rich", "scipy.ndimage"),
    *("scipy.spatial", "pyarrow", "openslide", "tifffile", "jinja2"),
}

#: What reads slides.
SLIDES = {"openslide", "scipy.ndimage", "tifffile"}


def loaded(code, cwd="."):
    """Run Python code in a process of its own; return which heavy packages it loaded."""
    code += f"\nimport sys; print(*(name for name in {sorted(HEAVY)} if name in sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("verb", "needed"),
    [
        ("tile", {*SLIDES, "rasterio"}),
        ("predict", {"torch"}),
        ("segment", {"pyarrow", "skimage"}),
        ("stitch", {"pyarrow"}),
        ("compose", {"pyarrow", "scipy.spatial"}),
        ("export", {"pyarrow"}),
        ("assess", {*SLIDES, "pyarrow", "rasterio", "skimage"}),
        ("render", {*SLIDES, "pyarrow"}),
        ("summary", set()),
        ("provenance", {"pyarrow"}),
        ("report", {"jinja2"}),
    ],
)
def test_a_verb_imports_what_it_needs(verb, needed):
    """Importing torch takes longer than many a job."""
    assert loaded(f"import nucwsi.cli.commands, nucwsi.steps.{verb}") == needed


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), SegmentSettings()),
        (("--np-threshold", "0.6"), SegmentSettings(np_threshold=0.6)),
        (("--np-threshold", ""), SegmentSettings()),
        (("--simplify-px", "0"), SegmentSettings(simplify_px=0)),
    ],
)
def test_options_become_settings_of_the_step(monkeypatch, words, expected):
    from nucwsi.steps import segment as module

    seen = []
    monkeypatch.setattr(
        module, "segment", lambda maps, output, settings, **more: seen.append(settings)
    )
    result = run("segment", "m.zarr.zip", "-o", "x.parquet", *words)
    assert result.exit_code == 0, result.output
    assert seen == [expected]


def test_a_missing_artefact_is_told_in_one_line(tmp_path):
    result = run("segment", tmp_path / "none.zarr.zip", "-o", tmp_path / "x.parquet")
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert result.output.startswith("nucwsi segment: ")
    assert "does not exist; run the step that makes it" in result.output


def test_compose_looks_for_the_tissue_beside_the_nuclei(monkeypatch, tmp_path):
    from nucwsi.steps import compose as module

    seen = []
    monkeypatch.setattr(
        module, "compose", lambda nuclei, tissue, *args, **more: seen.append(tissue)
    )
    nuclei = tmp_path / "nuclei.parquet"
    assert run("compose", nuclei, "-o", "c.csv").exit_code == 0
    assert run("compose", nuclei, "-o", "c.csv", "--tissue", "t.geojson").exit_code == 0
    assert [path.name for path in seen] == ["tissue.geojson", "t.geojson"]
    assert seen[0].parent == tmp_path
