"""The comparison of groups of slides: the values of patients, and how groups differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.groups import (
    MIN_PATIENTS,
    Difference,
    difference_of_groups,
    difference_within_pairs,
)
from nucwsi.composition.patients import PatientCounts, SlideCounts, joined_patients
from nucwsi.report.region_counts import RegionCounts
from nucwsi.report.slide_row import SlideRow

#: Measure -> its heading; the first is shown where a page has no switch.
MEASURES = {"frac": "share of all nuclei", "per_mm2": "nuclei per mm² of tissue"}

#: How the whole slide is called beside the classes of the user's regions.
_WHOLE = "Slide"

#: A reader takes a p-value above it for no difference.
_LARGE_P = 0.05


class Compared(NamedTuple):
    """Two groups compared in one class of nuclei and one measure.

    Attributes
    ----------
    measure : str
        Key of `MEASURES`.
    class_name : str
        Class of the nuclei.
    group_a, group_b : str
        The groups.
    difference : Difference
        Medians, difference, interval and p-value, in the unit of the measure.
    """

    measure: str
    class_name: str
    group_a: str
    group_b: str
    difference: Difference

    @property
    def stands_out(self) -> bool:
        """Whether the interval of the difference does not hold 0."""
        return self.difference.low > 0 or self.difference.high < 0

    @property
    def contrary(self) -> bool:
        """Whether the p-value seems to deny what the interval shows."""
        return self.stands_out and self.difference.p_value > _LARGE_P

    @property
    def untested(self) -> bool:
        """Whether there are too few patients for an interval."""
        return bool(np.isnan(self.difference.low))


class Scope(NamedTuple):
    """The comparison on whole slides, or in regions of one class.

    Attributes
    ----------
    region_class : str
        ``Slide``, or the class of the user's regions.
    patients : tuple of PatientCounts
        Each patient in each group, group by group.
    compared : tuple of Compared
        By pair of groups, then measure, then class.
    """

    region_class: str
    patients: tuple[PatientCounts, ...]
    compared: tuple[Compared, ...]


class GroupSection(NamedTuple):
    """The comparison of the groups of one column of the slide sheet.

    Attributes
    ----------
    column : str
        The column.
    pair : str
        The column within whose values groups are compared; empty if patients differ.
    classes : tuple of str
        Classes of the nuclei.
    groups : tuple of str
        The groups, in the order of the slides.
    scopes : tuple of Scope
        Whole slides first; none if there are fewer than two groups.
    notes : tuple of str
        What makes the comparison less than it seems, one line each.
    """

    column: str
    pair: str
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    scopes: tuple[Scope, ...]
    notes: tuple[str, ...]


def group_section(
    rows: Sequence[SlideRow], classes: Sequence[str], column: str, patient: str, pair: str
) -> GroupSection:
    """Compare the groups of slides that a column of the slide sheet makes.

    Parameters
    ----------
    rows : sequence of SlideRow
        All slides.
    classes : sequence of str
        Classes of the nuclei of all slides.
    column : str
        Column of the sheet that names the group of each slide.
    patient : str
        Column that names the patient; slides that lack it are patients of their own.
    pair : str
        Column within whose values groups are compared; empty if groups are of different patients.

    Returns
    -------
    GroupSection
        Slides without a group are left out.
    """
    grouped = [row for row in rows if row.further.get(column)]
    known = [row for row in grouped if row.further.get(pair)] if pair else grouped
    groups = tuple(dict.fromkeys(row.further[column] for row in grouped))
    who = pair or patient
    scopes: list[Scope] = []
    everyone: list[PatientCounts] = []
    for region_class in _region_classes(grouped) if len(groups) > 1 else ():
        slides = [
            _counts(row, region, classes, who, column)
            for row in known
            for region in _regions_of(row, region_class)
        ]
        joined = joined_patients(slides)
        everyone = everyone or joined
        patients = _usable(joined, bool(pair))
        compared = tuple(_compared(patients, classes, groups, bool(pair)))
        scopes.append(Scope(region_class, patients, compared))
    notes = _notes(rows, grouped, groups, column, who, pair, everyone)
    if scopes:
        notes += _doubts(known, groups, column)
    return GroupSection(column, pair, tuple(classes), groups, tuple(scopes), tuple(notes))


def _usable(patients: list[PatientCounts], paired: bool) -> tuple[PatientCounts, ...]:
    """Leave out the patients of one group alone, if groups are compared within patients."""
    groups = Counter(one.patient for one in patients)
    return tuple(one for one in patients if not paired or groups[one.patient] > 1)


def _region_classes(rows: Sequence[SlideRow]) -> list[str]:
    """List the classes of regions that lie on at least two slides, after the whole slide."""
    count = Counter(
        name
        for row in rows
        for name in {region.region_class for region in row.regions if region.source == "user"}
    )
    return [
        _WHOLE,
        *sorted(name for name, n in count.items() if n > 1 and name not in {"", _WHOLE}),
    ]


def _regions_of(row: SlideRow, region_class: str) -> list[RegionCounts]:
    if region_class == _WHOLE:
        return [row.whole]
    return [r for r in row.regions if r.source == "user" and r.region_class == region_class]


def _counts(
    row: SlideRow, region: RegionCounts, classes: Sequence[str], who: str, column: str
) -> SlideCounts:
    counts = {part.name: part.n for part in region.parts}
    return SlideCounts(
        slide=row.name,
        patient=row.further.get(who, ""),
        group=row.further[column],
        tissue_mm2=float(region.tissue or 0),
        n_nuclei=region.n,
        counts=np.array([counts.get(name, np.nan) for name in classes], np.float64),
    )


def _values(patients: Sequence[PatientCounts], measure: str) -> NDArray[np.float64]:
    """Return the values (N, C) of patients and classes in a measure."""
    values = [one.per_mm2 if measure == "per_mm2" else one.fraction for one in patients]
    return np.array(values)


def _compared(
    patients: Sequence[PatientCounts], classes: Sequence[str], groups: Sequence[str], paired: bool
) -> list[Compared]:
    """Compare each group with each other."""
    found = []
    for group_a, group_b in combinations(groups, 2):
        a, b = ([one for one in patients if one.group == group] for group in (group_a, group_b))
        if paired:
            both = {one.patient for one in a} & {one.patient for one in b}
            a, b = (
                sorted((one for one in side if one.patient in both), key=lambda one: one.patient)
                for side in (a, b)
            )
        compare = difference_within_pairs if paired else difference_of_groups
        for measure in MEASURES:
            of_a, of_b = _values(a, measure), _values(b, measure)
            for at, name in enumerate(classes):
                values = (of_a[:, at] if a else np.empty(0), of_b[:, at] if b else np.empty(0))
                found.append(Compared(measure, name, group_a, group_b, compare(*values)))
    return found


def _notes(
    rows: Sequence[SlideRow],
    grouped: Sequence[SlideRow],
    groups: Sequence[str],
    column: str,
    who: str,
    pair: str,
    everyone: Sequence[PatientCounts],
) -> list[str]:
    """Say what makes the comparison less than it seems."""
    notes = []
    if len(grouped) < len(rows):
        without = ", ".join(row.name for row in rows if row not in grouped)
        notes.append(f"Left out, because the sheet names no {column} for them: {without}.")
    if len(groups) < 2:
        notes.append(
            f"All slides are of the {column} {groups[0]}: there is nothing to compare."
            if groups
            else "There is nothing to compare."
        )
        return notes
    nameless = [row.name for row in grouped if not row.further.get(who)]
    if len(nameless) == len(grouped) and not any(who in row.further for row in rows):
        notes.append(
            f"The slide sheet has no column {who}: each slide counts as a patient. If several are"
            " of one patient, the intervals are too narrow."
        )
    elif nameless:
        what = "left out" if pair else "each counts as a patient of its own"
        notes.append(f"The sheet names no {who} for {', '.join(nameless)}: {what}.")
    per_group = {group: {one.patient for one in everyone if one.group == group} for group in groups}
    for a, b in combinations(groups, 2):
        shared = per_group[a] & per_group[b]
        if pair:
            alone = (per_group[a] | per_group[b]) - shared
            if alone:
                notes.append(f"Left out of {a} and {b}, because not in both: {_listed(alone)}.")
            if len(shared) < MIN_PATIENTS:
                notes.append(_too_few(f"{len(shared)} in both {a} and {b}"))
        elif shared:
            notes.append(
                f"In both {a} and {b}: {_listed(shared)}. Set report.pair: {who} to compare within"
                " patients; as it is, the intervals are not right."
            )
    if not pair:
        notes += [
            _too_few(f"{len(found)} in {group}")
            for group, found in per_group.items()
            if len(found) < MIN_PATIENTS
        ]
    return notes


def _doubts(rows: Sequence[SlideRow], groups: Sequence[str], column: str) -> list[str]:
    """Say how many of the compared slides of each group somebody should look at."""
    look = {
        group: [bool(row.faults) for row in rows if row.further[column] == group]
        for group in groups
    }
    if not any(map(any, look.values())):
        return []
    counts = ", ".join(f"{sum(some)} of {len(some)} in {group}" for group, some in look.items())
    return [f"Slides to look at, whose nuclei count here all the same: {counts}."]


def _too_few(how_many: str) -> str:
    return (
        f"Patients: {how_many}. Fewer than {MIN_PATIENTS} are not tested: differences are shown,"
        " but no interval and no p-value."
    )


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
