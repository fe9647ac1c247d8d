"""How the results were made, as a paragraph for a paper."""

from __future__ import annotations

from collections.abc import Sequence

from nucwsi.composition.groups import MIN_PATIENTS, N_SAMPLES
from nucwsi.report.group_section import GroupSection
from nucwsi.report.run import Run

#: A paragraph names at most so many slides.
_NAMED = 5


def methods_paragraph(run: Run, n_slides: int, groups: Sequence[GroupSection]) -> str:
    """Write what a paper would say of a run.

    Parameters
    ----------
    run : Run
        How the results were made.
    n_slides : int
        Number of slides that were analysed.
    groups : sequence of GroupSection
        The comparisons of groups.

    Returns
    -------
    str
        Whole sentences, without markup.
    """
    members = ", ".join(f"{member.name} (SHA-256 {member.checksum[:12]})" for member in run.members)
    networks = "network" if len(run.members) == 1 else f"ensemble of {len(run.members)} networks"
    views = f", averaged over {run.views} views of each tile" if run.views > 1 else ""
    slides = "One slide was" if n_slides == 1 else f"{n_slides:,} slides were"
    versions = ", ".join(
        f"{name} {version}" for name, version in run.packages.items() if name != "nucwsi"
    )
    ours = (
        f"Nuclei were found, outlined and classified at {run.mpp:g} µm per pixel by the {networks}"
        f" {members or '–'}{views}."
    )
    if n_slides == len(run.imported):
        ours = ""
    theirs = f"Nuclei of {_listed(run.imported)} were found by other programs."
    sentences = [
        f"{slides} analysed with nucwsi {run.version} ({run.date}).",
        ours,
        theirs if run.imported else "",
        "A nucleus belongs to a region that covers the centroid of its outline. Densities are"
        " nuclei per mm² of detected tissue. Intervals of counts (95 %) combine the class"
        " probabilities of each nucleus with the counting errors on validation images.",
        *map(_compared, groups),
        f"Settings: {run.settings}." if run.settings else "",
        f"Software: {versions}." if versions else "",
    ]
    if run.failed:
        n_failed = len({failed.slide for failed in run.failed})
        sentences.insert(1, f"{n_failed} more could not be analysed and are left out.")
    return " ".join(filter(None, sentences))


def _listed(slides: Sequence[str]) -> str:
    more = f" and {len(slides) - _NAMED} more" if len(slides) > _NAMED else ""
    return ", ".join(slides[:_NAMED]) + more


def _compared(section: GroupSection) -> str:
    within = f" within each {section.pair}" if section.pair else ""
    differences = (
        f"medians of the differences{within}" if section.pair else "differences of medians"
    )
    exchanged = "exchanging the groups within patients" if section.pair else "permuting patients"
    return (
        f"Groups ({section.column}: {', '.join(section.groups)}) were compared by {differences}."
        " Slides of one patient and group were joined (sums of nuclei, over sums of tissue or of"
        " all nuclei)."
        f" Intervals (95 %) are percentiles of {N_SAMPLES:,} bootstrap samples of patients;"
        f" p-values come from {exchanged} and are not corrected for the number of comparisons."
        f" Fewer than {MIN_PATIENTS} patients were not tested."
    )
