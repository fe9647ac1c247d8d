"""The tiles of a slide while they are being made: an OME-Zarr image, one chunk for each core.

`io.stores.reader` reads what is written here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nucwsi.facts import SlideFacts
from nucwsi.io.stores.arrays import create_array, create_group, pack, write_chunk, write_mask
from nucwsi.io.stores.ome import multiscales, rgb_display


class TilesWriter:
    """Writes a slide's canvas core by core; several threads may write different cores.

    Parameters
    ----------
    folder : pathlib.Path
        Of the zarr group; one that a killed run has left is reopened.
    facts : SlideFacts
        Those of the tiles, as far as they are known.
    """

    def __init__(self, folder: Path, facts: SlideFacts) -> None:
        self._folder = folder
        # Full resolution alone: nobody reads a coarser one.
        described = multiscales(facts.slide, "cyx", [facts.frame.mpp])
        attributes = {**described, **rgb_display(), "nucwsi": facts.to_json()}
        self._group = create_group(folder, attributes)
        chunk = (3, facts.core_px, facts.core_px)
        self._array = create_array(self._group, "0", (3, *facts.frame.shape), chunk, "u1", 255)

    def write(self, position: tuple[int, int], rgb: NDArray[np.uint8]) -> None:
        """Write a core.

        Parameters
        ----------
        position : (int, int)
            Row and column of the core in the grid.
        rgb : (3, H, W) ndarray of uint8
            Red, green and blue of the core, at the working mpp.

        Raises
        ------
        StoreError
            If the disk is full or the folder cannot be written.
        """
        write_chunk(self._array, *position, rgb)

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
        pack(self._folder, output)
