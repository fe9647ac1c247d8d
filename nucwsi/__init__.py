"""Whole-slide nucleus segmentation, classification and cellular composition for H&E."""

__version__ = "0.1.0"

#: Rises whenever the same input and settings give another result; a change reruns the workflow.
RESULT_VERSION = 1
