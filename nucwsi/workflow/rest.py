"""Tables and report of the slides that worked, when others have failed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from nucwsi.config import Config
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.io.stores.publish import published
from nucwsi.workflow.flags import result_flags
from nucwsi.workflow.messages import failures, shown_output
from nucwsi.workflow.tables import COHORT_TABLES, summary_words, table_names


def report_the_rest(config: Config, slides: Mapping[str, SlideEntry]) -> str:
    """Make the tables and the report of a cohort of which some slides have failed.

    Snakemake makes neither, because both need every slide. The next run replaces them.

    Parameters
    ----------
    config : Config
        Names the folder of the results, and the settings of the report.
    slides : mapping
        Name of each slide -> its entry.

    Returns
    -------
    str
        Whole lines that say what was made; empty if no slide worked.
    """
    output = shown_output(config)
    failed = failures(config, slides)
    without = {one.slide for one in failed}
    worked = [
        name
        for name in slides
        if name not in without and (output / name / "provenance.json").exists()
    ]
    if not failed or not worked:
        return ""
    listed = output / "logs" / "failed.json"
    with published(listed) as aside:
        rows = [{"slide": one.slide, "reason": one.reason, "log": str(one.log)} for one in failed]
        aside.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for table in table_names(config, slides):
        tables = [output / name / f"{COHORT_TABLES[table]}.csv" for name in worked]
        _nucwsi("summary", *tables, "-o", output / f"{table}.csv", *summary_words(table, slides))
    assessments = [output / name / "assessment.json" for name in worked]
    settings = shlex.split(result_flags(config.report))
    more = ["--benchmarks", output / "benchmarks", "--failed", listed, "--multiqc", output]
    if config.report.compare:
        more += ["--groups", output / "groups.csv", "--patients", output / "patients.csv"]
    _nucwsi("report", *assessments, "-o", output / "report.html", *more, *settings)
    count = f"{len(worked)} of {len(slides)} slides"
    return f"Tables and report are those of the {count} that worked: {output / 'report.html'}\n"


def _nucwsi(*words: object) -> None:
    """Run a command; its own line says what is wrong if it fails."""
    program = Path(sys.executable).with_name("nucwsi")
    subprocess.run([str(program), *map(str, words)], check=False)
