"""Batches: slides that one job takes through all steps, so that programs start once for them.

A batch is a job of the workflow whose command, `nucwsi batch`, starts the same workflow for the
slides of the batch alone. So the steps of a slide, their triggers, logs and results are those of a
slide that has jobs of its own. The outer workflow keeps a mark for each slide, which says of what
its results were made.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nucwsi.config import Config, Section
from nucwsi.errors import ConfigError
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.workflow.flags import result_flags

#: Environment variable that names the slides to which a workflow within a batch is limited.
WITHIN = "NUCWSI_BATCH"

#: MB that Snakemake and the libraries that all steps share take in the job of a batch.
OWN_MB = 500

#: MB for a step of another slide, while one has the GPU.
BESIDE_MB = 2000


def within_batch(slides: Mapping[str, SlideEntry]) -> dict[str, SlideEntry]:
    """Return the slides of this workflow: those of the batch that it runs in, or all.

    Parameters
    ----------
    slides : mapping
        Name of each slide of the run -> its entry.

    Returns
    -------
    dict
        In the same order.

    Raises
    ------
    ConfigError
        If the batch has a slide that is not among them.
    """
    wanted = os.environ.get(WITHIN, "").split()
    gone = [name for name in wanted if name not in slides]
    if gone:
        raise ConfigError(
            f"the slide sheet no longer names {gone[0]!r}, of which a job is to make the results;"
            " start the run anew"
        )
    return {name: entry for name, entry in slides.items() if not wanted or name in wanted}


class Batches(Mapping[str, list[str]]):
    """Name of each batch -> names of its slides; empty where every slide has jobs of its own.

    Parameters
    ----------
    config : Config
        Says how many slides a batch has, and names the folder of the results.
    slides : sequence of str
        Names of the slides, in the order of the sheet.
    """

    def __init__(self, config: Config, slides: Sequence[str]) -> None:
        self._output, size = Path(config.output), config.batch
        is_wanted = size > 1 and WITHIN not in os.environ
        starts = range(0, len(slides), size) if is_wanted else ()
        self._slides = {
            str(number): list(slides[start : start + size])
            for number, start in enumerate(starts, start=1)
        }
        self._batch_of = {name: key for key, names in self._slides.items() for name in names}

    def __getitem__(self, batch: str) -> list[str]:
        return self._slides[batch]

    def __iter__(self) -> Iterator[str]:
        return iter(self._slides)

    def __len__(self) -> int:
        return len(self._slides)

    def mark(self, slide: str) -> str:
        """Return the file that says that a slide has been taken through all steps.

        Parameters
        ----------
        slide : str
            Name of the slide.

        Returns
        -------
        str
            A hidden file in the folder of its results.
        """
        return str(self._output / slide / ".batched")

    def stamp(self, batch: str) -> str:
        """Return the file that says that a batch has ended well; the run removes it.

        Parameters
        ----------
        batch : str
            Name of the batch, or ``{batch}``.

        Returns
        -------
        str
            A file in a hidden folder of the results.
        """
        return str(self._output / ".batches" / batch)

    def stamp_of(self, slide: str) -> str:
        """Return the stamp of the batch of a slide.

        Parameters
        ----------
        slide : str
            Name of the slide.

        Returns
        -------
        str
            See `stamp`.
        """
        return self.stamp(self._batch_of[slide])

    def forget_incomplete(self, results: Mapping[str, Sequence[str]]) -> None:
        """Remove the marks of slides that lack a result, so that this run makes it.

        Parameters
        ----------
        results : mapping
            Name of each slide -> the files that it must have.
        """
        for slide, files in results.items() if self else ():
            marks = [Path(self.mark(slide)), Path(self.stamp_of(slide))]
            if any(mark.exists() for mark in marks) and not all(map(os.path.exists, files)):
                for mark in marks:
                    mark.unlink(missing_ok=True)


def batch_fingerprint(config: Config, entry: SlideEntry, *further: str) -> str:
    """Return a fingerprint of what the results of a slide are made of; a change makes them anew.

    Parameters
    ----------
    config : Config
        All settings.
    entry : SlideEntry
        What the sheet says of the slide.
    *further : str
        What else decides: fingerprints of the slide's file and of the networks.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    sections = [result_flags(value) for _, value in config if isinstance(value, Section)]
    top = (config.members, config.parts, config.features, config.classifier, config.viewer)
    text = repr((sections, top, entry, further))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
