"""Whole-slide nucleus segmentation, classification and cellular composition for H&E."""

import importlib
from typing import Any

__version__ = "0.1.0"

#: Rises whenever the same input and settings give another result; a change reruns the workflow.
RESULT_VERSION = 4

__all__ = ["RESULT_VERSION", "__version__", "compose", "read_regions"]


def __getattr__(name: str) -> Any:
    # Loaded when they are asked for: the command line imports this file and no data frames.
    if name in {"compose", "read_regions"}:
        return getattr(importlib.import_module("nucwsi.api"), name)
    raise AttributeError(f"module 'nucwsi' has no attribute {name!r}")
