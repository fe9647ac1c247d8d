"""A slide that is painted, not scanned: the place, class and outline of every nucleus are known.

It looks enough like an H&E slide for a network to find its nuclei, and holds on purpose what
breaks tiled segmentation: nuclei centred on seams and corners of tiles, at the border of the
tissue and of the slide, longer than the halo, touching in chains, and one dense sheet. The scene
``seams`` is full of that; ``tissue`` has glands, nests, vessels, fat and follicles in wavy stroma,
and a corner of hard cases. The painted slide is computed here, on arrays;
`nucwsi.io.slides.phantom` writes it to a file.
"""

from __future__ import annotations

from nucwsi.phantom.layout import SEAM_PX
from nucwsi.phantom.nucleus import CLASSES, Nucleus
from nucwsi.phantom.phantom import SCENES, Phantom

__all__ = ["CLASSES", "SCENES", "SEAM_PX", "Nucleus", "Phantom"]
