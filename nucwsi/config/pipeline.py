"""Settings of the pipeline: one section per verb, and `Config`, which holds them all."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nucwsi.config.section import INTEGER, LIST, TEXT, Section, setting, subsection

#: Values of `TileSettings.tissue` that name no file.
TISSUE_WORDS = ("auto", "all")


class TileSettings(Section):
    """How a slide becomes a canvas."""

    core_px: Annotated[Literal[256, 512, 1024, 2048], INTEGER] = setting(
        512, "side of a tile's core in canvas pixels; results do not depend on it"
    )
    tissue: str = setting(
        "auto",
        "auto: analyse the detected tissue; all: analyse every pixel inside the slide's bounds; or"
        " a file that shows where the tissue is: outlines (GeoJSON), or a PNG or TIFF of the"
        " slide's proportions that is 0 elsewhere",
        min_length=1,
    )
    only_regions: bool = setting(
        False,
        "analyse nothing but the drawn regions; the nuclei in them are those of a full analysis",
    )
    tissue_margin_um: float = setting(
        16.0,
        "distance by which the analysed area extends beyond the detected tissue, in µm",
        ge=0,
        le=1000,
    )
    min_tissue_um2: float = setting(
        4000.0, "pieces of tissue smaller than this are ignored, in µm²", ge=0
    )
    objective_power: bool = setting(
        False, "derive a missing mpp from the slide's objective power (10 / power µm per pixel)"
    )
    max_bad_tiles: float = setting(
        0.05,
        "largest share of unreadable tissue with which a slide is still analysed, as degraded",
        ge=0,
        le=1,
    )


class PredictSettings(Section):
    """How the network's maps are made."""

    views: Annotated[Literal[1, 2, 4, 8], INTEGER] = setting(
        1, "views (flips and quarter turns) of each tile that are averaged: 1, 2, 4 or 8"
    )
    device: str = setting(
        "auto",
        "device of the networks: auto, cpu, cuda, cuda:N, mps or xpu",
        speed=True,
        pattern=r"^(auto|cpu|mps|(cuda|xpu)(:\d+)?)$",
    )
    batch_size: int = setting(
        0, "tiles per batch; 0: the largest number that fits", speed=True, ge=0, le=1024
    )


#: Smallest threshold of `np`: the other maps are kept only near pixels of at least this value.
LEAST_NP = 0.05


class SegmentSettings(Section):
    """How nuclei are cut out of the maps; an empty setting takes the checkpoint's constant."""

    np_threshold: float | None = setting(
        None,
        "pixels whose np is at least this are nucleus; empty: the checkpoint's value",
        ge=LEAST_NP,
        lt=1,
    )
    min_area_um2: float | None = setting(
        None,
        "nuclei smaller than this are dropped, in µm²; empty: the checkpoint's value of each class",
        ge=0,
        le=1_000_000,
    )
    min_mean_np: float | None = setting(
        None,
        "nuclei whose mean np is less than this are dropped; empty: the checkpoint's value",
        ge=0,
        lt=1,
    )
    outlines: Literal["smooth", "pixels"] = setting(
        "smooth",
        "smooth: outlines pass between pixels where np crosses the threshold;"
        " pixels: outlines follow the edges of pixels",
    )
    simplify_px: float = setting(
        0.25,
        "tolerance in canvas pixels with which outlines are simplified; 0 keeps every corner",
        ge=0,
        le=5,
    )


class StitchSettings(Section):
    """How the parts become one table."""

    row_group: int = setting(
        8192, "nuclei per row group of the table", speed=True, ge=1024, le=1048576
    )


class ComposeSettings(Section):
    """Which regions are counted, and which nuclei are neighbours."""

    grid_um: float = setting(500.0, "side of the grid's squares in µm; 0: no grid", ge=0, le=100000)
    pieces: bool = setting(True, "make a region of every connected piece of tissue")
    neighbours_um: float = setting(
        20.0,
        "nuclei are neighbours if their centroids are at most this far apart, in µm;"
        " 0: no table of neighbours",
        ge=0,
        le=50,
    )


#: Setting of `ExportSettings` -> ending of the name of the file that it asks for.
EXTRA_EXPORTS = {
    "ome_zarr": "labels.ome.zarr.zip",
    "flatgeobuf": "nuclei.fgb",
    "csv": "nuclei.csv",
    "anndata": "nuclei.h5ad",
}


class ExportSettings(Section):
    """Which files the pathologist receives."""

    qupath_origin: Literal["auto", "level0"] = setting(
        "auto",
        "origin of the coordinates; auto: the corner of the slide's bounds, as in QuPath;"
        " level0: the upper left pixel of the file",
    )
    nuclei_per_file: int = setting(
        50000, "largest number of nuclei in one file of the zip", ge=1, le=1000000
    )
    ome_zarr: bool = setting(
        False,
        "also write label images of the nuclei and classes: OME-Zarr 0.4 in a zip, for napari",
    )
    flatgeobuf: bool = setting(
        False, "also write the table of nuclei with its outlines as FlatGeobuf"
    )
    csv: bool = setting(False, "also write the table of nuclei without its outlines as CSV")
    anndata: bool = setting(
        False,
        "also write the nuclei, with their features if there are any, as AnnData (.h5ad) for scanpy"
        " and squidpy",
    )


class AssessSettings(Section):
    """What the report shows of a slide."""

    crops: int = setting(
        4,
        "fields that are shown at full resolution for each rule (densest, least certain, random)",
        ge=0,
        le=50,
    )
    seed: int = setting(1, "seed of the random fields", ge=0)


#: Most groups that a column may divide the slides into: each is compared with every other.
MAX_GROUPS = 8


class ReportSettings(Section):
    """What the report of a run holds."""

    max_slides: int = setting(
        100,
        "largest number of slides that are shown in full, those with the most warnings first;"
        " each takes about 1.5 MB",
        ge=1,
    )
    max_mb: float = setting(
        20.0,
        "largest size of the page in MB; slides with fewer warnings are left to the table",
        gt=0,
    )
    compare: Annotated[tuple[str, ...], LIST] = setting(
        (), "columns of the slide sheet whose groups of slides are compared, such as group"
    )
    patient: Annotated[str, TEXT] = setting(
        "patient",
        "column of the slide sheet that says which slides are of one patient; without it each slide"
        " is a patient",
    )
    pair: Annotated[str, TEXT] = setting(
        "",
        "column of the slide sheet within whose values groups are compared, such as patient;"
        " empty: groups are of different patients",
    )


class RenderSettings(Section):
    """How the folder of the viewer is made."""

    quality: int = setting(80, "JPEG quality of the viewer's image tiles, 1 to 100", ge=1, le=100)


class Config(Section):
    """The whole of ``config/config.yaml``."""

    slides: Annotated[str, TEXT] = setting(
        "config/slides.tsv",
        "slide sheet (tsv: slide, path, mpp, regions), a slide, or a folder of slides",
    )
    regions_beside: bool = setting(
        True,
        "where the sheet names no regions, count in the region files beside a slide that have its"
        " name and end in .geojson, .geojson.gz, .xml or .annotations",
    )
    output: Annotated[str, TEXT] = setting("results", "folder of all results")
    members: Annotated[tuple[str, ...], LIST] = setting(
        ("default",),
        "checkpoints of the ensemble: names, files, or URLs with #sha256=",
        min_length=1,
    )
    parts: Annotated[int, Field(ge=1, le=256)] = setting(
        1, "number of bands into which a slide is cut for a cluster; results do not depend on it"
    )
    batch: Annotated[int, Field(ge=1, le=500)] = setting(
        1,
        "slides that one job takes through all steps, so that programs start once for them;"
        " 1: every step of a slide is a job; results do not depend on it",
        speed=True,
    )
    features: bool = setting(
        False, "make a table of each nucleus' shape, stains, texture, neighbours: features.parquet"
    )
    classifier: Annotated[str, TEXT] = setting(
        "", "classifier of `nucwsi teach` that gives the nuclei their classes; empty: the network's"
    )
    stage: bool = setting(
        False,
        "copy each slide to a local disk for the jobs that read it, because its own disk is slow;"
        " those in s3://, gs:// or https:// always are",
        speed=True,
    )
    viewer: bool = setting(True, "make a viewer of each slide, a folder for any web browser")
    tile: TileSettings = subsection(TileSettings, "how a slide becomes a canvas")
    predict: PredictSettings = subsection(PredictSettings, "how the network's maps are made")
    segment: SegmentSettings = subsection(SegmentSettings, "how nuclei are cut out of the maps")
    stitch: StitchSettings = subsection(StitchSettings, "how the parts become one table")
    compose: ComposeSettings = subsection(
        ComposeSettings, "which regions are counted, and which nuclei are neighbours"
    )
    export: ExportSettings = subsection(ExportSettings, "which files the pathologist receives")
    assess: AssessSettings = subsection(AssessSettings, "what the report shows of a slide")
    report: ReportSettings = subsection(ReportSettings, "what the report of a run holds")
    render: RenderSettings = subsection(RenderSettings, "how the folder of the viewer is made")
