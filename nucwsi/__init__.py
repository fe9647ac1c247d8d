"""Whole-slide nucleus segmentation, classification and cellular composition for H&E.

The steps of the pipeline run through the command line and the workflow. For use from Python this
package offers the names of `__all__` (docs/outputs.md); everything below it may change.
"""

import importlib
import sys
from typing import Any

from nucwsi.errors import NOT_ON_WINDOWS

__version__ = "0.2.0"

#: Rises with every change by which the same input and settings give another result; the workflow
#: then makes its results anew.
RESULT_VERSION = 6

__all__ = [
    "RESULT_VERSION",
    "__version__",
    "analyse",
    "compose",
    "open_maps",
    "open_slide",
    "plot",
    "read_regions",
]

#: Public name -> module that holds it. These load on demand: the command line imports this package
#: and must load neither data frames nor torch nor zarr.
_LAZY = {
    "analyse": "nucwsi.analysis",
    "compose": "nucwsi.api",
    "open_maps": "nucwsi.io.stores.maps",
    "open_slide": "nucwsi.io.slides.slide",
    "plot": "nucwsi.plotting",
    "read_regions": "nucwsi.api",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        if sys.platform == "win32":
            raise ImportError(NOT_ON_WINDOWS)
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'nucwsi' has no attribute {name!r}")
