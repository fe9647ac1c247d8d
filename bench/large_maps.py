"""Make the maps of a large slide without a network, from those of the slide that it repeats.

``python -m bench.large_maps MAPS TILES OUTPUT ROWS COLUMNS``: the network would take an hour for
what `bench.large_slide` makes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nucwsi.grid import Window
from nucwsi.io.stores.arrays import pack
from nucwsi.io.stores.maps import SlideMaps, open_maps
from nucwsi.io.stores.maps_writer import MapsWriter
from nucwsi.io.stores.publish import workspace
from nucwsi.io.stores.reader import opened

#: Facts that are those of the network, not of the slide.
_OF_NETWORK = (
    *("exact", "overlap_px", "classes", "unions", "members", "views", "contrasts", "part", "parts"),
    *("post_processing", "count_error", "miscount", "domain", "colour", "precision"),
)


def repeated_maps(maps: Path, tiles: Path, output: Path, period: tuple[int, int]) -> int:
    """Write maps that repeat those of another slide.

    Parameters
    ----------
    maps : pathlib.Path
        Those of the slide that is repeated, in one part.
    tiles : pathlib.Path
        Those of the large slide.
    output : pathlib.Path
        The large slide's maps, in one part.
    period : (int, int)
        Height and width of what is repeated, in level-0 pixels.

    Returns
    -------
    int
        Number of cores that were written.
    """
    n_cores = 0
    with (
        open_maps([maps]) as small,
        opened(tiles, "tiles") as store,
        workspace(output, {"maps": str(maps)}) as place,
    ):
        known = {name: getattr(small.facts, name) for name in _OF_NETWORK}
        facts, tissue = store.facts.with_(kind="maps", **known), store.tissue()
        writer = MapsWriter(place.folder / "maps", facts, tissue)
        sides = [side / scale for side, scale in zip(period, store.frame.scale, strict=True)]
        for position in store.grid.positions():
            core = store.grid.core(*position)
            if tissue[core.cells(facts.tissue_px).slices].any():
                shown = _source(core, sides, small)
                writer.write(position, core, [small.read(name, shown) for name in small.names])
                n_cores += 1
        pack(place.folder / "maps", output)
    return n_cores


def _source(core: Window, sides: list[float], small: SlideMaps) -> Window:
    """Return the window of the small slide that shows what a core of the large one shows."""
    row, column = (
        min(round(start % side), whole - length)
        for start, side, whole, length in zip(
            (core.row, core.column), sides, small.grid.shape, core.shape, strict=True
        )
    )
    return Window(row, column, *core.shape)


if __name__ == "__main__":
    n = repeated_maps(*map(Path, sys.argv[1:4]), (int(sys.argv[4]), int(sys.argv[5])))
    print(json.dumps({"cores": n}))
