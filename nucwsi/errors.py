"""The errors that a user can cause and mend; each is also the built-in error that fits it."""

from __future__ import annotations


class NucwsiError(Exception):
    """Base of all these errors; the command line shows one line and no traceback."""


class ConfigError(NucwsiError, ValueError):
    """A setting, an argument or the slide sheet is wrong; the exit code is 2, else 1."""


class SlideError(NucwsiError, OSError):
    """A slide cannot be read, or what it says of itself cannot be trusted."""


class DataError(NucwsiError, ValueError):
    """A labelled data set has an unexpected layout, is damaged or contradicts itself."""


class CheckpointError(NucwsiError, ValueError):
    """A checkpoint is damaged, of an unknown format, or does not fit the other members."""


class RegionError(NucwsiError, ValueError):
    """A region file cannot be used."""


class StoreError(NucwsiError, OSError):
    """A file that a step makes is missing, damaged, of another run, or cannot be written."""
