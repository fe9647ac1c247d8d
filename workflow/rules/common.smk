# The configuration, the slides and the members of a run, and what rules look up by wildcard.

import json
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from nucwsi.errors import NOT_ON_WINDOWS, NucwsiError

if sys.platform == "win32":
    raise WorkflowError(NOT_ON_WINDOWS)

from nucwsi import workflow as nuc

nuc.find_own_commands()

try:
    CONFIG = nuc.load_config(
        config, sys.argv, [*workflow.configfiles, *workflow.overwrite_configfiles]
    )
    SLIDES = nuc.load_slides(CONFIG)
    MEMBERS_KEY = nuc.members_key(CONFIG)
    TABLES = nuc.table_names(CONFIG, SLIDES)
    # Within the job of a batch, the workflow is that of its slides.
    SLIDES = nuc.within_batch(SLIDES)
    FINGERPRINTS = nuc.slide_fingerprints(
        SLIDES, Path(CONFIG.output), frozenset({nuc.DEMO_SLIDE}), CONFIG.stage
    )
    STAGED = nuc.staged_slides(CONFIG, SLIDES)
except NucwsiError as error:
    raise WorkflowError(str(error)) from None

OUTPUT = Path(CONFIG.output)
PARTS = nuc.part_names(CONFIG)
CAPS = nuc.Caps(CONFIG, SLIDES)
# Empty unless one job takes several slides through all steps.
BATCHES = nuc.Batches(CONFIG, list(SLIDES))
# Slides with answers of a pathologist, whose counts are corrected.
REVIEWED = [name for name, entry in SLIDES.items() if entry.answers]
# Slides whose nuclei other programs have found, and those whose nuclei are found here.
IMPORTED = nuc.imported_slides(SLIDES)
ANALYSED = [name for name in SLIDES if name not in IMPORTED]


def any_of(names):
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    slide=any_of(SLIDES),
    part=r"\d+-of-\d+",
    table="|".join(nuc.COHORT_TABLES),


def of_slides(slides, *files):
    """The paths of files of slides; their names may hold `{slide}`."""
    return [
        str(OUTPUT / slide / file.format(slide=slide))
        for file in files
        for slide in slides
    ]


def made(slides, *files):
    """The same as inputs: where batches make them, the marks that say so."""
    return list(map(BATCHES.mark, slides)) if BATCHES else of_slides(slides, *files)


# What is made of every slide, and of those that were reviewed.
SLIDE_FILES = [
    "{slide}.nuclei.qupath.zip",
    "{slide}.regions.geojson",
    *(f"{{slide}}.{ending}" for ending in nuc.extra_exports(CONFIG)),
    *(["features.parquet"] if CONFIG.features else []),
    *dict.fromkeys(f"{nuc.COHORT_TABLES[table]}.csv" for table in TABLES),
    "assessment.json",
    *(["viewer/index.html"] if CONFIG.viewer else []),
    "provenance.json",
]
REVIEW_FILES = ["corrected.json"]


def files_of(slide):
    reviewed = REVIEW_FILES if slide in REVIEWED else []
    return of_slides([slide], *SLIDE_FILES, *reviewed)


def batch_slides(wildcards):
    """The slides of a batch; those that a storage has are fetched within its job."""
    entries = [
        SLIDES[slide] for slide in BATCHES[wildcards.batch] if slide not in STAGED
    ]
    there = [one.path for one in entries if one.path.exists()]
    return [ancient(str(path)) for path in there] + [
        str(one.path) for one in entries if one.path == nuc.DEMO_SLIDE not in there
    ]


def batch_inputs(wildcards):
    """Whatever else the results of these slides are made of."""
    batch = getattr(wildcards, "batch", None)
    found = []
    for slide in BATCHES[batch] if batch else [wildcards.slide]:
        entry = SLIDES[slide]
        tissue = entry.tissue or CONFIG.tile.tissue
        mask = "" if tissue in nuc.TISSUE_WORDS else tissue
        found += [*entry.regions, *entry.answers, entry.nuclei, CONFIG.classifier, mask]
    return list(dict.fromkeys(str(path) for path in found if path))


def slide_in_storage(wildcards):
    """A slide that a storage is asked about and that is not fetched: one put there anew is new."""
    plugin, query = STAGED.get(wildcards.slide, ("fs", ""))
    return [] if plugin == "fs" else getattr(storage, plugin)(query, retrieve=False)


def made_of(slide):
    further = (MEMBERS_KEY, FINGERPRINTS[slide], str(nuc.ASSESSMENT_FORMAT))
    return nuc.batch_fingerprint(CONFIG, SLIDES[slide], *further)


def storage_flags(wildcards):
    """How slides are fetched, for the workflow within the job of a batch."""
    if not STAGED:
        return ""
    said = workflow.spawned_job_args_factory
    # Keys and addresses of servers, which no list of processes is to show.
    os.environ.update(said.get_storage_provider_envvars())
    words = said.get_storage_provider_args()
    prefix = workflow.storage_settings.local_storage_prefix
    return nuc.flags(
        "--snakemake",
        [*words, shlex.join(["--local-storage-prefix", str(prefix)])],
    )


def slide_file(wildcards):
    """The slide as an input: from a storage it is fetched for each job, and removed after it."""
    if wildcards.slide not in STAGED:
        return ancient(str(SLIDES[wildcards.slide].path))
    plugin, query = STAGED[wildcards.slide]
    fetched = getattr(storage, plugin)(query)
    # A slide that is put into a bucket anew is analysed anew; its fingerprint is not known here.
    return ancient(fetched) if plugin == "fs" else fetched


def slide_flag(wildcards):
    """What the nuclei are compared with; a slide that is fetched is not fetched for that."""
    fetched = wildcards.slide in STAGED
    return nuc.flags("--slide", [] if fetched else [SLIDES[wildcards.slide].path])


def slide_origin(wildcards):
    staged = STAGED.get(wildcards.slide)
    return nuc.flags("--origin", staged[1:] if staged else [])


def slide_mpp(wildcards):
    mpp = SLIDES[wildcards.slide].mpp
    return "" if mpp is None else f"--mpp {mpp!r}"


def slide_scene(wildcards):
    scene = SLIDES[wildcards.slide].scene
    return nuc.flags("--scene", [scene] if scene else [])


def slide_tissue(wildcards):
    """The sheet's word on a slide, which the configuration's does not bind."""
    tissue = SLIDES[wildcards.slide].tissue
    return nuc.flags("--tissue", [tissue] if tissue else [])


def found_nuclei(wildcards):
    """The nuclei as they were found; a classifier gives new classes to those that are ours."""
    ours = CONFIG.classifier and wildcards.slide not in IMPORTED
    return OUTPUT / wildcards.slide / ("network.parquet" if ours else "nuclei.parquet")


def nuclei_flags(wildcards):
    """What the sheet says of the nuclei of another program."""
    entry = SLIDES[wildcards.slide]
    mpp = [] if entry.nuclei_mpp is None else [repr(entry.nuclei_mpp)]
    classes = [entry.nuclei_classes] if entry.nuclei_classes else []
    return f"{nuc.flags('--nuclei-mpp', mpp)} {nuc.flags('--classes', classes)}"


def slide_mask(wildcards):
    tissue = SLIDES[wildcards.slide].tissue or CONFIG.tile.tissue
    return [] if tissue in nuc.TISSUE_WORDS else [tissue]


def slide_regions(wildcards):
    return [str(path) for path in SLIDES[wildcards.slide].regions]


def band(wildcards):
    part, _, parts = wildcards.part.partition("-of-")
    return f"--part {part} --parts {parts}"
