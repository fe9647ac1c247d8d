"""The maps of one part of a slide while they are being made: one chunk for each core.

`io.stores.maps` reads what is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.config import LEAST_NP
from nucwsi.facts import SlideFacts
from nucwsi.grid import TileGrid, Window
from nucwsi.io.stores.arrays import create_array, create_group, write_chunk, write_mask

if TYPE_CHECKING:
    import zarr


class MapsWriter:
    """Writes the maps of a part core by core; several threads may write different cores.

    Parameters
    ----------
    folder : pathlib.Path
        Of the zarr group; one that a killed run has left is reopened.
    facts : SlideFacts
        Those of the maps; stored with them.
    tissue : (H, W) ndarray of bool
        Where the network is asked, in cells of ``facts.tissue_px`` canvas pixels.

    Attributes
    ----------
    overlap_px : int
        How far around its core each tile's own answer is kept, in canvas pixels.
    """

    def __init__(self, folder: Path, facts: SlideFacts, tissue: NDArray[np.bool_]) -> None:
        self._facts, self._tissue = facts, tissue
        self.overlap_px = facts.overlap_px
        self._grid = grid = TileGrid(facts.frame.shape, facts.core_px)
        self._group = group = create_group(folder, {"nucwsi": facts.to_json()})
        write_mask(group, "tissue", tissue)
        self._cores = self._arrays(group, "", grid.shape, grid.core_px)
        self._around: list[zarr.Array[Any]] = []
        if self.overlap_px:
            # A chunk for each core, overlaps and all.
            side = grid.core_px + 2 * self.overlap_px
            shape = (grid.n_rows * side, grid.n_columns * side)
            self._around = self._arrays(group, "around_", shape, side)

    def _arrays(
        self, group: zarr.Group, prefix: str, shape: tuple[int, int], side: int
    ) -> list[zarr.Array[Any]]:
        n_classes = len(self._facts.classes)
        layout = [("np", (), "u1"), ("hv", (2,), "i1"), ("tp", (n_classes,), "u1")]
        if self._facts.contrasts:
            layout.append(("contrasts", (self._facts.contrasts * n_classes,), "i1"))
        return [
            create_array(
                group, prefix + name, (*lead, *shape), (*lead, side, side), dtype, 0, codec="lz4"
            )
            for name, lead, dtype in layout
        ]

    def write(
        self, position: tuple[int, int], window: Window, maps: Sequence[NDArray[np.integer]]
    ) -> NDArray[np.uint8]:
        """Write what an ensemble answers for one core.

        Parameters
        ----------
        position : (int, int)
            Row and column of the core in the grid.
        window : Window
            What was asked: a part of the core, or all of it; may reach beyond the canvas. In canvas
            pixels.
        maps : sequence of (..., H, W) ndarray
            ``np``, ``hv``, ``tp`` and contrasts as they are stored, of `window` grown by
            ``facts.overlap_px``. An array of contrasts that is not kept is ignored.

        Returns
        -------
        (H, W) ndarray of uint8
            `np` of the core as it is stored: 0 where the network was not asked.

        Raises
        ------
        StoreError
            If the disk is full or the folder cannot be written.
        """
        if self._around:
            for array, values in zip(self._around, maps, strict=False):
                write_chunk(array, *position, values)
            inner = slice(self.overlap_px, -self.overlap_px)
            maps = [values[..., inner, inner] for values in maps]
        core = self._grid.core(*position)
        stored = np.zeros(core.shape, np.uint8)
        inside = window.intersection(core)
        if inside is None:
            return stored
        # Beyond the tissue the network is not asked, whatever the size of the core.
        cell = self._facts.tissue_px
        cells = self._tissue[core.cells(cell).slices].repeat(cell, 0).repeat(cell, 1)
        kept = cells[: core.height, : core.width]
        source, target = inside.within(window).slices, inside.within(core).slices
        for number, (array, values) in enumerate(zip(self._cores, maps, strict=False)):
            block = np.zeros((*values.shape[:-2], *core.shape), values.dtype)
            block[(..., *target)] = values[(..., *source)] * kept[target]
            write_chunk(array, *position, block)
            if number == 0:
                stored = block
                kept &= _near_nuclei(block)
        return stored

    def conclude(self, facts: SlideFacts) -> None:
        """Store facts that are known only when all cores are written.

        Parameters
        ----------
        facts : SlideFacts
            Those of the maps, complete.
        """
        self._group.attrs.update({"nucwsi": facts.to_json()})


def _near_nuclei(np_map: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return where the other maps can matter; zeros elsewhere take no room.

    Edges are as wide as `instances.EDGE_RADIUS_PX`. Pixels beyond the core are not known here, so
    its border always counts.
    """
    near = np.pad(np_map >= LEAST_NP * 255, 1, constant_values=True)
    near = near[:-2] | near[1:-1] | near[2:]
    return near[:, :-2] | near[:, 1:-1] | near[:, 2:]
