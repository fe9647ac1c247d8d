"""`provenance`: everything that is needed to repeat a slide's run, in one file."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from nucwsi import __version__
from nucwsi.classes import most_probable
from nucwsi.errors import StoreError
from nucwsi.facts import SlideFacts
from nucwsi.io.benchmarks import read_benchmark
from nucwsi.io.csv_table import TEXTS, read_csv
from nucwsi.io.inputs import check_file
from nucwsi.io.nuclei.parquet import read_facts
from nucwsi.io.nuclei.stored_columns import iter_columns
from nucwsi.io.outputs import check_outputs
from nucwsi.io.regions.check import is_whole_zip, zip_facts
from nucwsi.io.regions.geojson import written_facts
from nucwsi.io.review.corrected import RECORD, read_record
from nucwsi.io.slides.identity import check_slide
from nucwsi.io.stores.publish import file_checksum, published

#: Libraries whose version may change a result.
_LIBRARIES = (
    *("numpy", "scipy", "scikit-image", "shapely", "rasterio", "torch", "safetensors", "zarr"),
    *("numcodecs", "pyarrow", "openslide-python", "openslide-bin", "tifffile", "imagecodecs"),
    *("simplejpeg", "pillow", "snakemake"),
)

_FINGERPRINT = (
    "SHA-256 of the size, the first 4 MB and the last 4 MB (of all up to 8 MB), 32 digits"
)


def _results(folder: Path, slide: str) -> list[Path]:
    """List the results of the slide, without the report's views of them."""
    patterns = (
        *("*.parquet", "*.csv", "tissue.geojson", "seams.json", RECORD, "maps/*"),
        f"{slide}.*",
    )
    found = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    return [path for path in found if path.is_file() and not path.name.startswith(".")]


def _document(path: Path) -> dict[str, Any]:
    """Read a JSON file of the slide; an empty object if the step that makes it was not run."""
    try:
        check_file(path)
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: is no JSON ({error}); make it again") from None
    if not isinstance(found, dict):
        raise StoreError(f"{path}: holds no object; make it again")
    return found


def _review(folder: Path) -> dict[str, Any]:
    """Return which answers have corrected the counts; nothing if none have."""
    table = folder / "composition.csv"
    rows = read_csv(table, ("region_source",), TEXTS) if table.exists() else []
    record = read_record(folder / RECORD) if rows and "corrected_nuclei" in rows[0] else None
    if record is None:
        return {}
    return {"review": record.model_dump(include={"draws", "files", "remarks"})}


def _exported(path: Path) -> dict[str, Any]:
    """Read what a zip of nuclei says of itself; an empty object if there is none."""
    facts = zip_facts(path)
    if path.exists() and ("n_objects" not in facts or not is_whole_zip(path)):
        raise StoreError(f"{path}: is no zip of nuclei, or is damaged; run `nucwsi export`")
    return facts


def _timings(folder: Path | None) -> dict[str, dict[str, float]]:
    """Read Snakemake's benchmark files (file -> cost), without what was not measured."""
    timings: dict[str, dict[str, float]] = {}
    for path in sorted(folder.glob("*.tsv")) if folder is not None else []:
        cost = next((job._asdict() for job in read_benchmark(path)), {})
        timings[path.stem] = {name: value for name, value in cost.items() if value is not None}
    return timings


def _versions() -> dict[str, str]:
    found = {"nucwsi": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _class_counts(nuclei: Path, classes: tuple[str, ...]) -> dict[str, int]:
    counts = np.zeros(len(classes), np.int64)
    for group in iter_columns(nuclei, [f"p_{name}" for name in classes]):
        code = most_probable(np.column_stack(list(group.values())))
        counts += np.bincount(code, minlength=len(classes))
    return dict(zip(classes, counts.tolist(), strict=True))


def _region_counts(path: Path) -> dict[str, int]:
    if not path.exists():
        return {}
    sources = [row["region_source"] for row in read_csv(path, ("region_source",), TEXTS)]
    return {source: sources.count(source) for source in dict.fromkeys(sources)}


def _slide_record(facts: SlideFacts, path: Path | str | None) -> dict[str, Any]:
    frame = facts.frame
    return {
        "name": facts.slide,
        "path": None if path is None else str(path),
        "fingerprint": facts.slide_checksum,
        "vendor": facts.vendor,
        "mpp": {"x": frame.level0_mpp[1], "y": frame.level0_mpp[0]},
        "mpp_source": facts.mpp_source,
        "scene": facts.scene or None,
        "warnings": facts.warnings,
        "level0_shape_px": frame.level0_shape,
        "bounds_origin_px": frame.origin_px,
        "status": facts.status,
    }


def _file_record(path: Path, folder: Path) -> dict[str, Any]:
    return {
        "path": path.relative_to(folder).as_posix(),
        "bytes": path.stat().st_size,
        "fingerprint": file_checksum(path),
    }


def provenance(
    nuclei: Path,
    output: Path,
    *,
    slide: Path | None = None,
    benchmarks: Path | None = None,
    origin: str | None = None,
) -> None:
    """Record the inputs, models, settings, versions and times of a slide's results.

    Parameters
    ----------
    nuclei : pathlib.Path
        ``nuclei.parquet``; the other results of the slide lie beside it. Those that are missing are
        left out of the record.
    output : pathlib.Path
        ``provenance.json``.
    slide : pathlib.Path, optional
        The slide's file.
    benchmarks : pathlib.Path, optional
        Folder of Snakemake's benchmark files of this slide.
    origin : str, optional
        Where the slide was fetched from, if its file is a copy that will be removed.

    Raises
    ------
    SlideError
        If the slide cannot be read.
    StoreError
        If a result is damaged or of another slide, or the output cannot be written.
    """
    facts, folder = read_facts(nuclei), nuclei.parent
    name = facts.slide
    results = _results(folder, name)
    check_outputs([output], [nuclei, slide, *results], within=[benchmarks])
    if slide is not None:
        check_slide(slide, facts.slide_checksum, nuclei)
    composed = written_facts(folder / f"{name}.regions.geojson")
    exported = _exported(folder / f"{name}.nuclei.qupath.zip")
    per_class = _class_counts(nuclei, facts.classes)
    document = {
        "slide": _slide_record(facts, origin or slide),
        "regions": composed.get("region_files", []),
        "region_warnings": composed.get("region_warnings", []),
        "domain_warning": composed.get("domain_warning"),
        **_review(folder),
        "models": [member.model_dump() for member in facts.members],
        **({"classifier": asdict(facts.taught)} if facts.taught else {}),
        "precision": facts.precision,
        "parameters": {
            "working_mpp": facts.frame.mpp,
            "tile": facts.tile,
            "predict": {"views": facts.views},
            "segment": facts.segment,
            "compose": composed.get("compose", {}),
            "export": exported.get("export", {}),
        },
        "counts": {
            "canvas_px": facts.frame.shape,
            "tissue_um2": facts.tissue_um2,
            "bad_tiles": len(facts.bad_tiles),
            "dropped": facts.n_dropped,
            "nuclei": sum(per_class.values()),
            "nuclei_by_class": per_class,
            **({"unions": facts.unions} if facts.unions else {}),
            "regions_by_source": _region_counts(folder / "composition.csv"),
            "qupath_objects": exported.get("n_objects"),
            "qupath_slivers_left_out": exported.get("n_slivers_left_out"),
        },
        "seams": _document(folder / "seams.json"),
        "timings": _timings(benchmarks),
        "versions": _versions(),
        "result_version": facts.result_version,
        "outputs": [_file_record(path, folder) for path in results],
        "fingerprint": _FINGERPRINT,
    }
    with published(output) as aside:
        aside.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
