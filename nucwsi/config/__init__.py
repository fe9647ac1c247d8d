"""Every setting with its unit, its default and its limits: one frozen model per verb.

The options of the command line, their help and the schema of ``config/config.yaml`` are made from
these models. No other module states a default of a setting, and no module here reads a file.
"""

from nucwsi.config.pipeline import (
    EXTRA_EXPORTS,
    LEAST_NP,
    MAX_GROUPS,
    TISSUE_WORDS,
    AssessSettings,
    ComposeSettings,
    Config,
    ExportSettings,
    PredictSettings,
    RenderSettings,
    ReportSettings,
    SegmentSettings,
    StitchSettings,
    TileSettings,
)
from nucwsi.config.review import ReviewSettings
from nucwsi.config.section import Section, validated
from nucwsi.config.teach import TeachSettings
from nucwsi.config.training import (
    LARGEST_WIDTH,
    MAX_LEVELS,
    EnsembleConfig,
    EvaluateSettings,
    ImportSettings,
    TrainSettings,
)

__all__ = [
    "EXTRA_EXPORTS",
    "LARGEST_WIDTH",
    "LEAST_NP",
    "MAX_GROUPS",
    "MAX_LEVELS",
    "TISSUE_WORDS",
    "AssessSettings",
    "ComposeSettings",
    "Config",
    "EnsembleConfig",
    "EvaluateSettings",
    "ExportSettings",
    "ImportSettings",
    "PredictSettings",
    "RenderSettings",
    "ReportSettings",
    "ReviewSettings",
    "Section",
    "SegmentSettings",
    "StitchSettings",
    "TeachSettings",
    "TileSettings",
    "TrainSettings",
    "validated",
]
