"""Which fields of a slide hold nuclei that look like none that the networks have learnt from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.look import Look
from nucwsi.grid import Window
from nucwsi.nuclei.domain import descriptors

#: Half the side of the square around a centroid whose colour is taken to be that of the nucleus.
_REACH_PX = 1

#: A field is outlying from this multiple of the domain's limit on, which is that of larger images.
#: The farthest of 194 fields of four real slides of known tissue lies at 1.15.
_BEYOND = 1.25


class NucleusColours:
    """The colour of each nucleus, gathered while the slide is read piece by piece.

    Parameters
    ----------
    row, column : (N,) ndarray of float
        Centroids in pixels of the view that is read.

    Attributes
    ----------
    density : (N, 3) ndarray of float64
        Optical density (natural logarithm) in red, green and blue around each centroid; NaN where
        nothing was read yet.
    """

    def __init__(self, row: NDArray[np.floating], column: NDArray[np.floating]) -> None:
        self._row, self._column = (np.floor(at).astype(np.int32) for at in (row, column))
        self.density = np.full((len(row), 3), np.nan)

    def see(self, window: Window, image: NDArray[np.uint8]) -> None:
        """Take the colours of the nuclei in a piece of the slide.

        Parameters
        ----------
        window : Window
            Where the piece lies, in pixels of the view.
        image : (H, W, 3) ndarray of uint8
            RGB of the window.
        """
        row, column = self._row - window.row, self._column - window.column
        inside = (row >= 0) & (row < window.height) & (column >= 0) & (column < window.width)
        reach = range(-_REACH_PX, _REACH_PX + 1)
        places = [
            (
                np.clip(row[inside] + down, 0, window.height - 1),
                np.clip(column[inside] + across, 0, window.width - 1),
            )
            for down in reach
            for across in reach
        ]
        seen = [-np.log((image[place] + 1.0) / 256) for place in places]
        self.density[inside] = np.mean(seen, axis=0)


def outlying_fields(
    look: Look,
    field: NDArray[np.integer],
    area_um2: NDArray[np.floating],
    density: NDArray[np.float64],
    n_fields: int,
) -> NDArray[np.bool_]:
    """Find the fields whose nuclei lie far beyond the domain of the networks.

    A field is judged as a slide is, by `nuclei.domain.Domain`, but less strictly. Its stain is that
    of the slide times the ratio of the densities around the centroids of its nuclei and of all; so
    it need not be measured as that of the slide was.

    Parameters
    ----------
    look : Look
        Of the slide's N nuclei.
    field : (N,) ndarray of int
        Field of each nucleus, 0 to `n_fields` - 1.
    area_um2 : (N,) ndarray of float
        Area of each nucleus.
    density : (N, 3) ndarray of float64
        `NucleusColours.density`; a field without any has the stain of the slide.
    n_fields : int
        Number F of fields.

    Returns
    -------
    (F,) ndarray of bool
        False for fields of too few nuclei to be judged.
    """
    known = np.isfinite(density).all(axis=1)
    stain = np.ones((n_fields, 3))
    if known.any():
        n_seen = np.bincount(field[known], minlength=n_fields)
        usual = np.maximum(density[known].mean(axis=0), 1e-6)
        for channel in range(3):
            total = np.bincount(field[known], density[known, channel], n_fields)
            np.divide(total, n_seen * usual[channel], out=stain[:, channel], where=n_seen > 0)
    n_pixels, *sums = look.colour
    colour = np.column_stack([np.full(n_fields, n_pixels), stain * sums])
    found = descriptors(field, area_um2, look.certainty, n_fields, colour.round().astype(np.int64))
    return look.domain.distance(found) > _BEYOND
