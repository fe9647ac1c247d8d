"""What the Snakefile asks of the package: the plan of a run, options for its rules, final messages.

Every job parses the workflow anew, so nothing here loads torch, zarr or a data frame library. Rules
call the command line and never a step; nothing here computes a result. `run` starts Snakemake for
`nucwsi run`.
"""

from nucwsi import RESULT_VERSION
from nucwsi.config import TISSUE_WORDS
from nucwsi.report.assessment import FORMAT_VERSION as ASSESSMENT_FORMAT
from nucwsi.workflow.batches import Batches, batch_fingerprint, within_batch
from nucwsi.workflow.caps import Caps
from nucwsi.workflow.disk import check_disk
from nucwsi.workflow.fingerprints import slide_fingerprints
from nucwsi.workflow.flags import (
    argument_list,
    find_own_commands,
    flags,
    member_flags,
    pair_flags,
    result_flags,
    speed_flags,
)
from nucwsi.workflow.messages import failure_message, success_message
from nucwsi.workflow.plan import (
    DEMO_SLIDE,
    MULTIQC_FILES,
    extra_exports,
    load_config,
    load_ensemble,
    load_slides,
    manifest_files,
    members_key,
    network_files,
    part_names,
    schema,
)
from nucwsi.workflow.rest import report_the_rest
from nucwsi.workflow.retries import is_hopeless
from nucwsi.workflow.slurm import answering_command
from nucwsi.workflow.staging import staged_slides
from nucwsi.workflow.tables import COHORT_TABLES, imported_slides, summary_words, table_names

__all__ = [
    "ASSESSMENT_FORMAT",
    "COHORT_TABLES",
    "DEMO_SLIDE",
    "MULTIQC_FILES",
    "RESULT_VERSION",
    "TISSUE_WORDS",
    "Batches",
    "Caps",
    "answering_command",
    "argument_list",
    "batch_fingerprint",
    "check_disk",
    "extra_exports",
    "failure_message",
    "find_own_commands",
    "flags",
    "imported_slides",
    "is_hopeless",
    "load_config",
    "load_ensemble",
    "load_slides",
    "manifest_files",
    "member_flags",
    "members_key",
    "network_files",
    "pair_flags",
    "part_names",
    "report_the_rest",
    "result_flags",
    "schema",
    "slide_fingerprints",
    "speed_flags",
    "staged_slides",
    "success_message",
    "summary_words",
    "table_names",
    "within_batch",
]
