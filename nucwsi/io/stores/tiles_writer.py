"""The tiles of a slide while they are being made: an OME-Zarr image, one chunk for each core.

`io.stores.reader` reads what is written here.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nucwsi.facts import SlideFacts
from nucwsi.io.stores.arrays import (
    chunk_name,
    create_array,
    create_group,
    encoded_chunk,
    write_mask,
)
from nucwsi.io.stores.growing import GrowingZip
from nucwsi.io.stores.ome import multiscales, rgb_display
from nucwsi.io.stores.publish import Workspace, key_of, position_of


class TilesWriter:
    """Writes a slide's canvas core by core; what is written is noted in the work folder.

    Its file is closed at the end of a ``with``.

    Parameters
    ----------
    place : Workspace
        Where a killed run may have left a part of the tiles.
    facts : SlideFacts
        Those of the tiles, as far as they are known.
    """

    def __init__(self, place: Workspace, facts: SlideFacts) -> None:
        self._place, self._folder = place, place.folder / "tiles"
        # Full resolution alone: nobody reads a coarser one.
        described = multiscales(facts.slide, "cyx", [facts.frame.mpp])
        attributes = {**described, **rgb_display(), "nucwsi": facts.to_json()}
        self._group = create_group(self._folder, attributes)
        chunk = (3, facts.core_px, facts.core_px)
        self._array = create_array(self._group, "0", (3, *facts.frame.shape), chunk, "u1", 255)
        path = place.folder / "tiles.zip"
        try:
            self._zip = GrowingZip(path, self._noted())
        except EOFError:
            place.restart()
            self._zip = GrowingZip(path, {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def _noted(self) -> dict[str, str]:
        """Return the entries of the cores that are done and not blank, with what is noted."""
        cores = (key for key, note in self._place.done.items() if note)
        return {self._name(position_of(key)): self._place.done[key] for key in cores}

    def _name(self, position: tuple[int, int]) -> str:
        return chunk_name(self._array, *position)

    def is_done(self, position: tuple[int, int]) -> bool:
        """Tell whether a core was written, by this run or by a killed one.

        Parameters
        ----------
        position : (int, int)
            Row and column of the core in the grid.

        Returns
        -------
        bool
            True for a blank one, too.
        """
        return key_of(position) in self._place.done

    def encode(self, rgb: NDArray[np.uint8]) -> bytes | None:
        """Compress a core; several threads may do so at once.

        Parameters
        ----------
        rgb : (3, H, W) ndarray of uint8
            Red, green and blue of the core, at the working mpp.

        Returns
        -------
        bytes or None
            For `write`; None for a blank core.
        """
        return encoded_chunk(self._array, rgb)

    def write(self, position: tuple[int, int], encoded: bytes | None) -> None:
        """Write a core, and note it; from one thread, in an order that is always the same.

        Parameters
        ----------
        position : (int, int)
            Row and column of the core in the grid.
        encoded : bytes or None
            Of `encode`.

        Raises
        ------
        StoreError
            If the disk is full or the folder cannot be written.
        """
        note = "" if encoded is None else self._zip.add(self._name(position), encoded)
        self._place.mark(key_of(position), note)

    def publish(self, output: Path, facts: SlideFacts, tissue: NDArray[np.bool_]) -> None:
        """Complete the store and publish it as one zip.

        Parameters
        ----------
        output : pathlib.Path
            ``tiles.zarr.zip``.
        facts : SlideFacts
            Those of the tiles, complete.
        tissue : (H, W) ndarray of bool
            Where the network is to be asked, in cells of ``facts.tissue_px`` canvas pixels.

        Raises
        ------
        StoreError
            If it cannot be written, or does not read back.
        """
        write_mask(self._group, "tissue", tissue)
        self._group.attrs["nucwsi"] = facts.to_json()
        self._zip.publish(self._folder, output)
