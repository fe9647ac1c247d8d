"""`check`: what every slide is, and whether it can be analysed, before the first job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nucwsi.config import TileSettings
from nucwsi.errors import NucwsiError
from nucwsi.grid import CELL_PX, Frame
from nucwsi.io.foreign.numbered import numbered_names
from nucwsi.io.foreign.read import read_foreign
from nucwsi.io.regions.on_slide import region_doubts, regions_of_slide
from nucwsi.io.review.answers import read_answers, read_worklist
from nucwsi.io.slides.remote import address
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.models.card import canvas_card, largest_halo_px, read_cards
from nucwsi.runtime.forecast import Extent
from nucwsi.steps.tile.examine import EMPTY, Examined, examined


@dataclass(frozen=True)
class Verdict:
    """What `check` says of a slide.

    Attributes
    ----------
    name : str
        The slide's name in all results.
    path : pathlib.Path
        Its file.
    description : str
        Format, levels, size of a pixel and who states it, tissue; empty if it cannot be analysed.
    warnings : tuple of str
        What is suspicious.
    fault : str
        Why it cannot be analysed; empty if it can.
    extent : Extent, optional
        How large it is; none if it cannot be analysed.
    """

    name: str
    path: Path
    description: str
    warnings: tuple[str, ...]
    fault: str
    extent: Extent | None = None


def check(
    slides: Sequence[SlideEntry],
    settings: TileSettings,
    *,
    members: tuple[str, ...],
    threads: int = 1,
    passes: int = 1,
) -> Iterator[Verdict]:
    """Look at slides as `tile` will, without reading their tiles.

    Parameters
    ----------
    slides : sequence of SlideEntry
        Entries of the slide sheet; their files may be missing.
    settings : TileSettings
        How tissue is found.
    members : tuple of str
        Checkpoints of the ensemble, whose mpp the canvas has.
    threads : int
        Pieces of an overview that are read at once.
    passes : int
        Views that each member sees of a tile.

    Yields
    ------
    Verdict
        One for each slide, in order.

    Raises
    ------
    CheckpointError
        If a member cannot be read.
    """
    cards = read_cards(members)
    for entry in slides:
        where = address(entry.path)
        if where is not None:
            told = f"{where}, which its jobs will fetch; it was not looked at"
            yield Verdict(entry.name, entry.path, told, (), "")
            continue
        own = {"tissue": entry.tissue} if entry.tissue else {}
        looking = examined(
            entry.path,
            settings.model_copy(update=own),
            name=entry.name,
            mpp=canvas_card(cards).mpp,
            halo_px=largest_halo_px(cards),
            slide_mpp=entry.mpp,
            scene=entry.scene or None,
            regions=entry.regions,
            threads=threads,
        )
        try:
            with looking as found:
                facts, levels = found.facts, found.source.slide.levels
                sizes = ", ".join("{} x {}".format(*level.shape[::-1]) for level in levels)
                description = (
                    f"{facts.vendor}, {len(levels)} levels ({sizes}),"
                    f" {facts.frame.level0_mpp[1]:g} µm per pixel ({facts.mpp_source}),"
                    f" {found.tissue_mm2:.3g} mm² of tissue"
                )
                empty = () if found.tissue.found.any() else (EMPTY,)
                missing = f"{len(found.lost)} tiles in tissue have no data"
                lost = (missing,) if found.lost else ()
                doubts = _doubts(entry, facts.frame, settings)
                warnings = (*facts.warnings, *lost, *empty, *doubts)
                # Nuclei that are imported cost next to nothing.
                extent = None if entry.nuclei else _extent(found, passes * len(cards))
            yield Verdict(entry.name, entry.path, description, warnings, "", extent)
        except NucwsiError as error:
            yield Verdict(entry.name, entry.path, "", (), str(error))


def _doubts(entry: SlideEntry, frame: Frame, settings: TileSettings) -> list[str]:
    """Read the other files of a slide as later jobs will; return what is doubtful about them."""
    for path in entry.answers:
        if read_worklist(path) is None:
            read_answers(path)
    if entry.nuclei is not None:
        read_foreign(entry.nuclei, numbered_names(entry.nuclei_classes, "nuclei_classes"))
    user = regions_of_slide(entry.regions, frame, needed=not entry.beside)
    # Where they alone are analysed, the slide's own warnings name them.
    return [] if settings.only_regions else region_doubts(user, entry.regions, frame)


def _extent(found: Examined, passes: int) -> Extent:
    """Say how large a slide is; `passes` is how often a network sees each window."""
    facts, (height, width) = found.facts, found.facts.frame.shape
    cells = facts.core_px // CELL_PX
    rows, columns = np.nonzero(found.tissue.analysed)
    n_tiles = len(set(zip((rows // cells).tolist(), (columns // cells).tolist(), strict=True)))
    window_px = facts.core_px + 2 * facts.halo_px
    return Extent(
        found.tissue_mm2, n_tiles * passes * window_px**2 / 1e6, canvas_mp=height * width / 1e6
    )
