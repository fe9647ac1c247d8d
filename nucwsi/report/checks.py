"""What is to be known before the numbers of a slide are trusted, each with a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nucwsi.report.quality import DIAMETER_UM, MAX_BLUR

#: From this share of blurred fields on, somebody should look.
_BLURRED_SHARE = 0.2

#: With fewer nuclei, their size says nothing about the slide's mpp.
_MIN_NUCLEI = 100


class Check(NamedTuple):
    """One line of a slide's quality control.

    Attributes
    ----------
    name : str
    value : str
    verdict : str
        ``fine``, ``look`` (somebody should), or ``note`` where no verdict can be given.
    text : str
        What it means.
    """

    name: str
    value: str
    verdict: str
    text: str


def checks(assessment: dict[str, Any]) -> list[Check]:
    """Judge a slide.

    Parameters
    ----------
    assessment : dict
        As `assess` wrote it.

    Returns
    -------
    list of Check
    """
    facts, quality, seams = assessment["facts"], assessment["quality"], assessment["seams"]
    return [
        _mpp(facts),
        _diameter(quality, sum(row["n"] for row in assessment["morphometry"])),
        _focus(quality["blur"]),
        _reading(facts),
        _seams(seams),
        _locality(seams),
        *_remarks(facts, quality),
    ]


def blurred_share(blur: list[float]) -> float:
    """Return the share of fields that are out of focus.

    Parameters
    ----------
    blur : list of float
        One for each field that was measured.

    Returns
    -------
    float
        NaN without fields.
    """
    return float(np.mean(np.array(blur) > MAX_BLUR)) if blur else float("nan")


def _mpp(facts: dict[str, Any]) -> Check:
    down, across = facts["frame"]["level0_mpp"]
    size = f"{across:.4g}" if abs(down / across - 1) < 1e-3 else f"{across:.4g} × {down:.4g}"
    source = facts["mpp_source"]
    return Check("Pixel size", f"{size} µm", "note", f"Of level 0, according to: {source}.")


def _diameter(quality: dict[str, Any], n_nuclei: int) -> Check:
    low, high = DIAMETER_UM
    name, typical = "Nuclear diameter", quality["diameter_um"]
    if typical is None or n_nuclei < _MIN_NUCLEI:
        return Check(name, "–", "note", "Too few nuclei to check the pixel size by.")
    text = f"Half of the nuclear area lies in smaller nuclei; {low:g} to {high:g} µm is common."
    if low <= typical <= high:
        return Check(name, f"{typical:.1f} µm", "fine", text)
    wrong = "small" if typical < low else "large"
    hint = f"{text} If the nuclei do not look that way, the pixel size is too {wrong}."
    return Check(name, f"{typical:.1f} µm", "look", hint)


def _focus(blur: list[float]) -> Check:
    if not blur:
        return Check("Focus", "–", "note", "No field of tissue fine enough to tell.")
    share = blurred_share(blur)
    value = f"{100 * share:.0f} % blurred"
    text = f"Of {len(blur)} random fields, as much as by a Gaussian of 1 µm."
    return Check("Focus", value, "look" if share >= _BLURRED_SHARE else "fine", text)


def _reading(facts: dict[str, Any]) -> Check:
    bad = len(facts["bad_tiles"])
    if facts["status"] == "ok":
        return Check("Reading", "complete", "fine", "Every tile of the tissue could be read.")
    text = "The slide is degraded: what cannot be read was left out of the tissue."
    return Check("Reading", f"{bad:,} tiles failed", "look", text)


def _seams(seams: dict[str, Any]) -> Check:
    ratio = seams["density_ratio"]
    value = "–" if ratio is None else f"{ratio:.2f}"
    text = (
        f"Density along tile seams against beside them: {seams['n_seam']:,} nuclei,"
        f" z = {seams['density_z']:.1f}; {seams['cut_seam']:,} end on a seam,"
        f" z = {seams['cut_z']:.1f}."
    )
    return Check("Tile seams", value, "look" if seams["visible"] else "fine", text)


def _locality(seams: dict[str, Any]) -> Check:
    if seams["exact"]:
        text = "All members are local: the result does not depend on the tiles."
        return Check("Model", "exact at seams", "fine", text)
    text = "A member is not local: nuclei are merged by overlap, and depend on the tile size."
    return Check("Model", "not exact at seams", "look", text)


def _remarks(facts: dict[str, Any], quality: dict[str, Any]) -> Iterator[Check]:
    """Give what is worth knowing, but allows no verdict."""
    certainty = quality["certainty"]
    value = "–" if certainty is None else f"{certainty:.2f}"
    yield Check("Certainty", value, "note", "Mean probability of the nuclei's own class.")
    text = "Left out of the tissue. Pale marks may be missed."
    yield Check("Pen or black", f"{quality['ink_mm2']:.2f} mm²", "note", text)
    text = (
        "Of the tissue, stops more than twice the light of the rest. Folds do, and so do dense"
        " tumour, blood and pigment: see the overview."
    )
    yield Check("Dark tissue", f"{100 * quality['dark']:.1f} %", "note", text)
    text = "Nuclei cut by the edge of what was analysed."
    yield Check("At the edge", f"{quality['at_edge']:,}", "note", text)
    dropped = sum(facts["n_dropped"].values())
    yield Check(
        "Dropped", f"{dropped:,}", "note", "Objects too small for their class, or too unsure."
    )
