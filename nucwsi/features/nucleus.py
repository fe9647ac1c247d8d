"""All features that pixels and an outline give, for the nuclei of a window."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.features import shape, stain, texture
from nucwsi.features.cells import Cells, Pixels, cells_around, cut_out, filled, nuclei

#: Resolution at which features are measured, in µm per pixel, whatever that of the slide and of the
#: networks: what scanners at 20x give. A classifier fits nuclei of any slide.
MPP = 0.5

#: Rings around a nucleus: close to it, and what a cell may hold, in µm.
_AROUND_UM, _NEAR_UM = 2.0, 8.0

#: Width of the rim of a nucleus, in µm.
_RIM_UM = 1.0

#: Distances at which pixels are compared, in µm.
_DISTANCES_UM = (0.5, 1.0)

#: How far beyond its outline the features of a nucleus see, in pixels at `MPP`.
MARGIN_PX = int(np.ceil(_NEAR_UM / MPP)) + 1

NAMES = (
    *shape.NAMES,
    *stain.NAMES,
    *(name for one in stain.STAINS for name in texture.names(one, _DISTANCES_UM)),
)


def nucleus_features(
    image: NDArray[np.uint8], corner: tuple[int, int], outlines: NDArray[np.object_]
) -> NDArray[np.float32]:
    """Measure nuclei.

    Parameters
    ----------
    image : (H, W, 3) ndarray of uint8
        Red, green and blue at `MPP`. It holds all pixels of the slide within `MARGIN_PX` of the
        outlines.
    corner : (int, int)
        Row and column of its upper left pixel, in the frame of the outlines.
    outlines : (N,) ndarray of shapely.Geometry
        x and y in pixels at `MPP`.

    Returns
    -------
    (N, F) ndarray of float32
        `NAMES`. Those of a nucleus do not depend on the others, nor on where the image was cut.
    """
    answer = np.empty((len(outlines), len(NAMES)), np.float32)
    n_shapes = len(shape.NAMES)
    answer[:, :n_shapes] = shape.shape_features(shapely.transform(outlines, lambda xy: xy * MPP))
    for cells in cells_around(outlines, MARGIN_PX):
        some = outlines[cells.outline]
        pixels, seen = cut_out(image, corner, cells)
        stains = stain.separated(pixels)
        nucleus = nuclei(some, cells)
        own = Pixels.of(nucleus)
        inner = Pixels.of(_grown(some, -_RIM_UM, cells) & nucleus)
        rings = [
            Pixels.of(_grown(some, um, cells) & ~nucleus & seen) for um in (_AROUND_UM, _NEAR_UM)
        ]
        textures = [
            texture.texture_features(layer, own, tuple(round(um / MPP) for um in _DISTANCES_UM))
            for layer in stains[:2]
        ]
        measured = stain.stain_features(stains, own, inner, (rings[0], rings[1]))
        answer[cells.outline, n_shapes:] = np.concatenate([measured, *textures], axis=1)
    return answer


def _grown(outlines: NDArray[np.object_], by_um: float, cells: Cells) -> NDArray[np.bool_]:
    return filled(shapely.buffer(outlines, by_um / MPP, quad_segs=4), cells)
