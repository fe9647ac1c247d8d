"""The report: one page that holds everything it shows, made from the assessments of the slides."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from nucwsi.classes import colours, display_name
from nucwsi.report.checks import blurred_share, checks
from nucwsi.report.quality import outliers
from nucwsi.report.ramps import density_png

#: A density map's darkest colour stands for this percentile of all cells of all slides.
_TOP_PERCENTILE = 99.5

#: Rows of a slide's table of regions, and regions in its chart of intervals, at most.
_MAX_ROWS, _MAX_CHARTED = 60, 6

#: Lengths that a scale bar may have, in µm.
_BARS_UM = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)

#: What is compared over slides: key -> heading, unit, how many decimals.
_COMPARED = {
    "per_mm2": ("Nuclei per mm²", 0),
    "diameter": ("Diameter, µm", 1),
    "certainty": ("Certainty", 2),
    "blurred": ("Blurred, %", 0),
}

_RULES = {
    "densest": "Densest",
    "uncertain": "Least certain",
    "random": "Drawn at random",
}


def _number(value: Any, decimals: int = 0) -> str:
    """Write a number for people; a dash where there is none."""
    if value is None or value == "" or not np.isfinite(float(value)):
        return "–"
    return f"{float(value):,.{decimals}f}"


def _significant(value: Any) -> str:
    """Write a number with about three digits, without exponents."""
    if value is None or value == "" or not np.isfinite(float(value)):
        return "–"
    size = abs(float(value))
    return _number(value, 0 if size >= 100 else 1 if size >= 10 else 2)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nucwsi.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "significant": _significant,
        "display": display_name,
        "px": lambda value: f"{value:.1f}",
    }
    return environment


def _classes(assessments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = tuple(dict.fromkeys(name for one in assessments for name in one["facts"]["classes"]))
    return [
        {"name": name, "colour": "rgb({} {} {})".format(*colour), "rgb": colour}
        for name, colour in colours(names).items()
    ]


def scale_bar(width_um: float) -> tuple[int, float]:
    """Choose the scale bar of a picture.

    Parameters
    ----------
    width_um : float
        Of the whole picture.

    Returns
    -------
    length_um : int
    share : float
        Of the picture's width: at most a third.
    """
    length = max((bar for bar in _BARS_UM if bar <= width_um / 3), default=_BARS_UM[0])
    return length, length / width_um


def _bar_text(length_um: int) -> str:
    return f"{length_um} µm" if length_um < 1000 else f"{length_um // 1000} mm"


def _with_bar(width_um: float) -> dict[str, Any]:
    length, share = scale_bar(width_um)
    return {"text": _bar_text(length), "percent": 100 * share}


def _tops(
    assessments: Sequence[dict[str, Any]],
    densities: Sequence[NDArray[np.floating]],
    classes: list[dict[str, Any]],
) -> list[float]:
    tops = []
    for entry in classes:
        layers = [
            maps[assessment["facts"]["classes"].index(entry["name"])]
            for assessment, maps in zip(assessments, densities, strict=True)
            if entry["name"] in assessment["facts"]["classes"]
        ]
        cells = np.concatenate([layer[np.isfinite(layer)] for layer in layers])
        top = float(np.percentile(cells, _TOP_PERCENTILE)) if len(cells) else 0.0
        tops.append(_round_up(top))
    return tops


def _round_up(value: float) -> float:
    """Return the next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten; at least 10."""
    power = 10 ** np.floor(np.log10(max(value, 10)))
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
    return float(next(step * power for step in steps if step * power >= min(value, 10 * power)))


def _maps(
    assessment: dict[str, Any],
    density: NDArray[np.floating],
    classes: list[dict[str, Any]],
    tops: list[float],
) -> dict[str, Any]:
    names = assessment["facts"]["classes"]
    panels = []
    for entry, top in zip(classes, tops, strict=True):
        if entry["name"] in names:
            png = density_png(density[names.index(entry["name"])], top, entry["rgb"])
            panels.append({**entry, "top": top, "image": _uri(png)})
    width_um = density.shape[2] * assessment["density"]["cell_um"]
    return {
        "panels": panels,
        "size": [density.shape[2], density.shape[1]],
        "bar": _with_bar(width_um),
    }


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _region(row: dict[str, str], names: Sequence[str], number: int) -> dict[str, Any]:
    total = int(row["n_nuclei"])
    parts = []
    for name in names:
        count, low, high = (float(row[key]) for key in (f"n_{name}", f"{name}_low", f"{name}_high"))
        # The true count may exceed the nuclei that were found; a share cannot.
        percent = [
            min(100 * value / total, 100.0) if total else 0.0 for value in (count, low, high)
        ]
        density = row[f"{name}_per_mm2"]
        parts.append(
            {
                "name": name,
                "n": count,
                "low": low,
                "high": high,
                "percent": percent,
                "per_mm2": density,
            }
        )
    return {
        "number": number,
        "name": "Whole slide" if row["region_source"] == "slide" else row["region_name"],
        "class": row["region_class"],
        "source": row["region_source"],
        "area": row["area_mm2"],
        "tissue": row["tissue_area_mm2"],
        "n": total,
        "parts": parts,
    }


def _compared(assessment: dict[str, Any], whole: dict[str, Any]) -> dict[str, float]:
    quality, tissue = assessment["quality"], float(whole["tissue"] or 0)

    def known(value: float | None) -> float:
        return float("nan") if value is None else float(value)

    return {
        "per_mm2": whole["n"] / tissue if tissue else float("nan"),
        "diameter": known(quality["diameter_um"]),
        "certainty": known(quality["certainty"]),
        "blurred": 100 * blurred_share(quality["blur"]),
    }


def _crop(crop: dict[str, Any]) -> dict[str, Any]:
    return {**crop, "bar": _with_bar(crop["size"][0] * crop["mpp"])}


def _slide(assessment: dict[str, Any], classes: list[dict[str, Any]]) -> dict[str, Any]:
    facts, thumbnail = assessment["facts"], assessment["thumbnail"]
    names = facts["classes"]
    regions = [_region(row, names, at) for at, row in enumerate(assessment["composition"])]
    judged = checks(assessment)
    return {
        **assessment,
        "name": facts["slide"],
        "anchor": f"slide-{facts['slide']}",
        "classes": [entry for entry in classes if entry["name"] in names],
        "regions": regions[:_MAX_ROWS],
        "n_regions": len(regions),
        "charted": [region for region in regions if region["n"]][:_MAX_CHARTED],
        "whole": regions[0],
        "checks": judged,
        "n_look": sum(check.verdict == "look" for check in judged),
        "bar": _with_bar(thumbnail["size"][0] * thumbnail["mpp"]),
        "compared": _compared(assessment, regions[0]),
        "rules": [
            {"title": title, "crops": [_crop(c) for c in assessment["crops"] if c["rule"] == rule]}
            for rule, title in _RULES.items()
        ],
    }


def _mark_outliers(slides: list[dict[str, Any]]) -> None:
    for slide in slides:
        slide["outliers"] = []
    for key in _COMPARED:
        odd = outliers(np.array([slide["compared"][key] for slide in slides]))
        for index in np.flatnonzero(odd).tolist():
            slides[index]["outliers"].append(key)
            slides[index]["n_look"] += 1


def report_page(
    assessments: Sequence[dict[str, Any]],
    densities: Sequence[NDArray[np.floating]],
    run: dict[str, Any],
    *,
    max_slides: int,
) -> str:
    """Write the report of a run.

    Parameters
    ----------
    assessments : sequence of dict
        As `assess` wrote them, at least one, each with ``viewer``, the relative address of the
        slide's viewer, or None.
    densities : sequence of (C, H, W) ndarray of float
        The density maps of each, in nuclei per mm²; NaN where there is no tissue.
    run : dict
        ``date``, ``version``, ``members``, ``settings``, ``packages`` (name -> version) and
        ``times``, rows of ``slide``, ``step``, ``jobs``, ``wall``, ``cpu`` and ``memory``.
    max_slides : int
        Slides that are shown in full; those that somebody should look at come first.

    Returns
    -------
    str
        HTML that asks for no other file and runs no script.
    """
    classes = _classes(assessments)
    tops = _tops(assessments, densities, classes)
    slides = [_slide(assessment, classes) for assessment in assessments]
    for slide, density in zip(slides, densities, strict=True):
        slide["maps"] = _maps(slide, density, classes, tops)
    _mark_outliers(slides)
    urgent = sorted(range(len(slides)), key=lambda at: -slides[at]["n_look"])[:max_slides]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            classes=classes,
            slides=slides,
            shown=[slides[at] for at in sorted(urgent)],
            compared=_COMPARED,
            total={
                "n": sum(slide["whole"]["n"] for slide in slides),
                "tissue": sum(float(slide["whole"]["tissue"] or 0) for slide in slides),
            },
        )
    )
