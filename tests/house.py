"""Checks of the house that no linter makes: docstrings, and the length of files.

Run as a program; prints what is wrong and fails if anything is.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 400


def long_files() -> list[str]:
    """List the files that are too long to be read in one go."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py", "*.smk", "Snakefile", "workflow/Snakefile"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    found = []
    for name in listed.stdout.decode().split("\0")[:-1]:
        path = ROOT / name
        lines = len(path.read_text("utf-8").splitlines()) if path.exists() else 0
        if lines > MAX_LINES:
            found.append(f"{name}: {lines} lines, more than {MAX_LINES}")
    return found


def docstring_faults() -> list[str]:
    """Run numpydoc over the package, with the checks that pyproject.toml names."""
    files = [str(path) for path in sorted((ROOT / "nucwsi").rglob("*.py"))]
    # The command line's docstrings are its help.
    files.remove(str(ROOT / "nucwsi" / "cli" / "commands.py"))
    ran = subprocess.run(
        [sys.executable, "-m", "numpydoc", "lint", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()] * bool(
        ran.returncode
    )


if __name__ == "__main__":
    faults = long_files() + docstring_faults()
    for fault in faults:
        print(fault)  # noqa: T201
    sys.exit(1 if faults else 0)
