# The configuration, the slides and the members of a run, and what rules look up by wildcard.

import re
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
    FINGERPRINTS = nuc.slide_fingerprints(
        SLIDES, Path(CONFIG.output), frozenset({nuc.DEMO_SLIDE}), CONFIG.stage
    )
    STAGED = nuc.staged_slides(CONFIG, SLIDES)
except NucwsiError as error:
    raise WorkflowError(str(error)) from None

OUTPUT = Path(CONFIG.output)
PARTS = nuc.part_names(CONFIG)
CAPS = nuc.Caps(CONFIG, SLIDES)
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
