"""What can go wrong through no fault of nucwsi, each with the exit code it leaves behind."""

from __future__ import annotations


class NucwsiError(Exception):
    """Base of all errors that a user can cause and mend; shown as one line, never a traceback."""


class ConfigError(NucwsiError, ValueError):
    """A setting, an argument or the slide sheet is wrong."""


class SlideError(NucwsiError, OSError):
    """A slide cannot be read, or not be trusted."""


class DataError(NucwsiError, ValueError):
    """A labelled data set has another layout, is damaged or contradicts itself."""


class CheckpointError(NucwsiError, ValueError):
    """A model file is damaged, of another format, or does not fit."""


class RegionError(NucwsiError, ValueError):
    """A region file cannot be used."""


class StoreError(NucwsiError, OSError):
    """An artefact is missing, damaged or of another run, or cannot be written."""
