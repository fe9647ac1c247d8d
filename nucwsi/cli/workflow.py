"""`python -m nucwsi.cli.workflow WORDS`: Snakemake, whose jobs of nucwsi are forked."""

from __future__ import annotations

import sys

from nucwsi.cli.forked import MODULES, run_call
from nucwsi.cli.process import prepare
from nucwsi.runtime.forks import warm_up


def main() -> None:
    """Run Snakemake with the words of the command line.

    Raises
    ------
    SystemExit
        At its end, with Snakemake's exit code.
    """
    prepare()
    # Before Snakemake is loaded, which takes as long.
    warm_up(MODULES)
    from nucwsi.workflow.warm import snakemake

    snakemake(sys.argv[1:], run_call)


if __name__ == "__main__":
    main()
