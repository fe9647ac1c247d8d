"""Checks of the house that no linter makes: docstrings, lengths, and a test file per module.

Run as a program; prints what is wrong and fails if anything is.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 400

#: Modules whose docstrings are the help of the command line.
_HELP = {
    "check_slides.py",
    "commands.py",
    "foreign.py",
    "pipeline.py",
    "review.py",
    "run.py",
    "teach.py",
    "tools.py",
    "training.py",
}

#: A package says in three lines what lives there and what may not.
MIN_PACKAGE_LINES = 3


def package_files() -> list[Path]:
    """Return the modules of the package in the order of their paths."""
    return sorted((ROOT / "nucwsi").rglob("*.py"))


def long_files() -> Iterator[str]:
    """Name the files that are too long to be read in one go."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py", "*.smk", "Snakefile", "workflow/Snakefile"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0")[:-1]:
        path = ROOT / name
        lines = len(path.read_text("utf-8").splitlines()) if path.exists() else 0
        if lines > MAX_LINES:
            yield f"{name}: {lines} lines, more than {MAX_LINES}"


def docstring_faults() -> Iterator[str]:
    """Run numpydoc over the package, with the checks that pyproject.toml names."""
    command_line = ROOT / "nucwsi" / "cli"
    files = [
        str(path)
        for path in package_files()
        if not (path.parent == command_line and path.name in _HELP)
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "numpydoc", "lint", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        yield from filter(str.strip, (ran.stdout + ran.stderr).splitlines())


def undescribed_packages() -> Iterator[str]:
    """Name the packages whose docstring does not say what lives there and what may not."""
    for path in package_files():
        if path.name == "__init__.py":
            docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            lines = len(docstring.splitlines())
            if lines < MIN_PACKAGE_LINES:
                yield (
                    f"{path.relative_to(ROOT)}: a docstring of {lines} lines, fewer than"
                    f" {MIN_PACKAGE_LINES}; say what lives here and what may not"
                )


def untested_modules() -> Iterator[str]:
    """Name the modules ``nucwsi/x/y.py`` without ``tests/x/test_y.py``."""
    for path in package_files():
        inside = path.relative_to(ROOT / "nucwsi")
        mirror = Path("tests", inside.parent, f"test_{path.name}")
        if path.name != "__init__.py" and not (ROOT / mirror).exists():
            yield f"nucwsi/{inside}: has no {mirror}"


if __name__ == "__main__":
    faults = [
        *long_files(),
        *docstring_faults(),
        *undescribed_packages(),
        *untested_modules(),
    ]
    for fault in faults:
        print(fault)  # noqa: T201
    sys.exit(1 if faults else 0)
