"""A verb loads what it needs and no more: to import torch takes longer than many a job."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "zarr", "dask", "pandas", "skimage", "rasterio", "rich"}


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
        ("tile", {"rasterio"}),
        ("predict", {"torch"}),
        ("segment", {"skimage"}),
        ("stitch", set()),
        ("compose", set()),
        ("export", set()),
    ],
)
def test_a_verb_imports_what_it_needs(verb, needed):
    assert loaded(f"import nucwsi.cli.commands, nucwsi.steps.{verb}") == needed
