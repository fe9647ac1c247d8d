"""A slide that is painted, not scanned: every nucleus' place, class and outline is known.

It looks enough like an H&E slide for a network to find its nuclei, and holds on purpose what
breaks tiled segmentation: nuclei centred on seams and corners of tiles, at the border of the
tissue and of the slide, longer than the halo, touching in chains, and one dense sheet.
"""

from __future__ import annotations

from nucwsi.phantom.nuclei import CLASSES, SEAM_PX, Nucleus
from nucwsi.phantom.painter import Phantom

__all__ = ["CLASSES", "SEAM_PX", "Nucleus", "Phantom"]
