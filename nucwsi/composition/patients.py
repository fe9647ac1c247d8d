"""Slides of one patient and group joined into one: by the area of their tissue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class SlideCounts(NamedTuple):
    """The nuclei of a slide, or of the regions of one class on it.

    Attributes
    ----------
    slide : str
        Name of the slide.
    patient : str
        Whose tissue it is; empty if that is not known.
    group : str
        To which group of the comparison it belongs.
    tissue_mm2 : float
        Area of the tissue in mm².
    n_nuclei : int
        Number of all nuclei.
    counts : (C,) ndarray of float
        Number of nuclei of each class; NaN for a class that the slide's network does not know.
    """

    slide: str
    patient: str
    group: str
    tissue_mm2: float
    n_nuclei: int
    counts: NDArray[np.float64]


class PatientCounts(NamedTuple):
    """The nuclei of all slides of one patient in one group.

    Attributes
    ----------
    patient : str
        Name of the patient; that of the slide, if the patient is not known.
    group : str
        The group.
    slides : tuple of str
        Names of the slides that were joined.
    tissue_mm2 : float
        Area of their tissue in mm².
    n_nuclei : int
        Number of all nuclei.
    counts : (C,) ndarray of float
        Number of nuclei of each class.
    """

    patient: str
    group: str
    slides: tuple[str, ...]
    tissue_mm2: float
    n_nuclei: int
    counts: NDArray[np.float64]

    @property
    def per_mm2(self) -> NDArray[np.float64]:
        """(C,) ndarray: nuclei of each class per mm² of tissue; NaN without tissue."""
        undefined = np.full(len(self.counts), np.nan)
        return self.counts / self.tissue_mm2 if self.tissue_mm2 > 0 else undefined

    @property
    def fraction(self) -> NDArray[np.float64]:
        """(C,) ndarray: share of each class in all nuclei, 0 to 1; NaN without nuclei."""
        undefined = np.full(len(self.counts), np.nan)
        return self.counts / self.n_nuclei if self.n_nuclei > 0 else undefined


def joined_patients(slides: Sequence[SlideCounts]) -> list[PatientCounts]:
    """Join the slides of each patient and group.

    Counts and areas are added, which is the mean of the slides' densities weighted by the area of
    their tissue, and the mean of their fractions weighted by the number of their nuclei.

    Parameters
    ----------
    slides : sequence of SlideCounts
        Slides of any patients; a slide may occur several times, once for each of its regions.

    Returns
    -------
    list of PatientCounts
        Group by group in the order in which groups appear, and patients alike. A slide whose
        patient is not known stands for a patient of its own.
    """
    groups = list(dict.fromkeys(slide.group for slide in slides))
    parts: dict[tuple[str, str, str], list[SlideCounts]] = {}
    for slide in slides:
        # No patient is named like a slide by accident.
        alone = "" if slide.patient else slide.slide
        parts.setdefault((slide.group, slide.patient, alone), []).append(slide)
    ordered = sorted(parts.items(), key=lambda item: groups.index(item[0][0]))
    return [
        PatientCounts(
            patient=patient or alone,
            group=group,
            slides=tuple(dict.fromkeys(slide.slide for slide in several)),
            tissue_mm2=float(sum(slide.tissue_mm2 for slide in several)),
            n_nuclei=sum(slide.n_nuclei for slide in several),
            counts=np.sum([slide.counts for slide in several], axis=0),
        )
        for (group, patient, alone), several in ordered
    ]
