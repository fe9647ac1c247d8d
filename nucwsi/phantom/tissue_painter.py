"""How the scene ``tissue`` is stained: wavy collagen, and its organs over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Window
from nucwsi.phantom.nucleus import Outline
from nucwsi.phantom.organs import Organ
from nucwsi.phantom.painter import Look, Painter, rise
from nucwsi.phantom.textures import TEXEL_UM, look_up, spread
from nucwsi.phantom.tissue import Tissue

Layer = NDArray[np.float32]

#: Height in µm of a gland's epithelium, and of its paler upper part.
_HEIGHT_UM, _APEX_UM = 21.0, 8.5


_LOOKS = {
    "epithelial": Look(0.74, 0.26, 0.24, 1.0, 0.13),
    "inflammatory": Look(1.20, 0.12, 0.22, 0.0, 0.14),
    "spindle": Look(0.98, 0.12, 0.20, 0.1, 0.16),
    "other": Look(1.05, 0.10, 0.30, 0.4, 0.20),
}


@dataclass(frozen=True)
class _Space(Outline):
    """A round gap in the tissue, such as mucin in a goblet cell."""

    centre: tuple[float, float]
    axes: tuple[float, float]
    angle: float
    radii: NDArray[np.float64] = field(default_factory=lambda: np.ones(48))


class TissuePainter(Painter):
    """Paints windows of the scene ``tissue``; see `Painter`."""

    anatomy: Tissue
    looks: ClassVar[dict[str, Look]] = _LOOKS

    @property
    def blur_px(self) -> float:
        """Half-width in level-0 pixels of the blurred outline of a nucleus."""
        return 0.34 / self.anatomy.mpp

    def _background(self, window: Window) -> tuple[Layer, Layer]:
        """Return haematoxylin and eosin (height, width) of stroma, organs and glass."""
        anatomy = self.anatomy
        step = max(1, round(2 / anatomy.mpp))
        tissue = rise(spread(anatomy.tissue, window, max(1, step // 2)) / 2.5)
        cloud = spread(anatomy.cloud, window, step)
        across = spread(anatomy.across, window, step) / TEXEL_UM
        along = spread(anatomy.along, window, step) / TEXEL_UM
        fibre = look_up(self._textures["fibre"], across, along)
        fine = look_up(self._textures["fibre"], across * 1.9 + 90, along * 1.9)
        bundle = look_up(self._textures["bundle"], across * 1.2, along * 2.4)
        rows, columns = self._texels(window)
        grain = look_up(self._textures["grain"], rows, columns)
        loose = rise(1.05 + 0.50 * bundle + 0.16 * fibre)
        eosin = 0.41 + 0.08 * fibre + 0.05 * fine + 0.05 * cloud + 0.02 * grain
        eosin *= 0.12 + 0.88 * loose
        stain = (0.055 + 0.02 * fibre + 0.02 * cloud) * (0.4 + 0.6 * loose)
        for organ in anatomy.organs.near(window):
            self._paint_organ(organ, window, stain, eosin)
        return stain * tissue, eosin * tissue

    def _paint_organ(self, organ: Organ, window: Window, stain: Layer, eosin: Layer) -> None:
        """Lay an organ over haematoxylin and eosin (height, width) of a window."""
        part = organ.frame.intersection(window)
        if part is None:
            return
        at, cut = part.within(window).slices, part.within(organ.frame).slices
        cover, blue, pink = self._organ(organ)
        stain[at] += cover[cut] * (blue[cut] - stain[at])
        eosin[at] += cover[cut] * (pink[cut] - eosin[at])

    def _organ(self, organ: Organ) -> tuple[Layer, Layer, Layer]:
        """Return cover (0 to 1), haematoxylin and eosin on the pixels of an organ's frame."""
        frame, mpp = organ.frame, self.anatomy.mpp
        rows = np.arange(frame.row, frame.row_stop)[:, None] + 0.5
        columns = np.arange(frame.column, frame.column_stop)[None, :] + 0.5
        depth = -organ.reach(rows, columns)[1] * np.float32(mpp)
        texel_rows, texel_columns = self._texels(frame)
        grain = look_up(self._textures["grain"], texel_rows, texel_columns)
        patch = look_up(self._textures["patch"], texel_rows, texel_columns)
        cover = rise(0.5 + depth / 0.8)
        if organ.kind == "follicle":
            cover = rise((depth + 3 * patch) / 12)
        paint = {
            "gland": self._gland,
            "nest": self._nest,
            "vessel": self._vessel,
            "fat": self._fat,
            "follicle": self._follicle,
        }[organ.kind]
        blue, pink = paint(organ, depth, grain, patch)
        return cover, blue, pink

    def _spaces(self, spaces: list[_Space], frame: Window) -> Layer:
        """Return where spaces are, 0 to 1, on the pixels of a frame."""
        empty = np.zeros(frame.shape, np.float32)
        soft = 0.5 / self.anatomy.mpp
        for space in spaces:
            part = space.box(soft).intersection(frame)
            if part is None:
                continue
            rows = np.arange(part.row, part.row_stop)[:, None] + 0.5
            columns = np.arange(part.column, part.column_stop)[None, :] + 0.5
            cover = rise(0.5 - space.reach(rows, columns)[1] / (2 * soft))
            held = empty[part.within(frame).slices]
            np.maximum(held, cover, out=held)
        return empty

    def _gland(self, organ: Organ, depth: Layer, grain: Layer, patch: Layer) -> tuple[Layer, Layer]:
        """Paint columnar epithelium with goblet cells around a lumen."""
        mpp, rng = self.anatomy.mpp, self.anatomy.organs.random(3, organ.key)
        blue = 0.20 + 0.02 * grain + 0.03 * patch
        pink = 0.36 + 0.025 * grain + 0.04 * patch
        apex = rise((depth - 11.5) / 4)
        blue -= 0.08 * apex
        pink += 0.02 * apex + 0.25 * np.exp(-np.square((depth + 0.1) / 0.7))
        largest = organ.axes[0] * mpp
        height = min(_HEIGHT_UM, 0.62 * largest)
        if rng.random() < 0.75:
            middle = organ.inner((height - 5.2) / mpp)
            mucin = self._spaces(self._goblets(organ, middle, rng), organ.frame)
            blue += mucin * (0.085 + 0.02 * grain - blue)
            pink += mucin * (0.05 + 0.02 * grain - pink)
        inner = organ.inner(height / mpp)
        frame = organ.frame
        rows = np.arange(frame.row, frame.row_stop)[:, None] + 0.5
        columns = np.arange(frame.column, frame.column_stop)[None, :] + 0.5
        lumen = -inner.reach(rows, columns)[1] * np.float32(mpp) + 0.8 * patch
        pink += 0.22 * np.exp(-np.square((lumen + 0.4) / 0.8))
        open_ = rise(0.5 + lumen / 1.2)
        wisp = np.maximum(patch - 0.9, 0) * 0.06
        return blue + open_ * (wisp - blue), pink + open_ * (0.01 + wisp - pink)

    def _goblets(self, organ: Organ, middle: Organ, rng: np.random.Generator) -> list[_Space]:
        """Return the mucin of a gland's goblet cells, at about every second cell."""
        mpp = self.anatomy.mpp
        line = middle.outline
        length = np.hypot(*(np.roll(line, -1, 0) - line).T).sum() * mpp
        count = max(3, int(length / 9.5))
        spaces = []
        for turn in (np.arange(count) + rng.uniform(-0.2, 0.2, count)) * 48 / count:
            if rng.random() < 0.7:
                row, column = line[int(turn) % 48]
                angle = float(np.arctan2(row - organ.centre[0], column - organ.centre[1]))
                axes = rng.uniform(4.2, 5.6) / mpp, rng.uniform(2.6, 3.7) / mpp
                spaces.append(_Space((float(row), float(column)), axes, angle))
        return spaces

    def _nest(self, _: Organ, depth: Layer, grain: Layer, patch: Layer) -> tuple[Layer, Layer]:
        """Paint solid epithelium."""
        blue = 0.20 + 0.02 * grain + 0.04 * patch
        pink = 0.38 + 0.025 * grain + 0.05 * patch
        pink = pink * (1 - 0.6 * np.exp(-np.square((depth - 0.2) / 0.7)))
        return blue, pink

    def _vessel(
        self, organ: Organ, depth: Layer, grain: Layer, patch: Layer
    ) -> tuple[Layer, Layer]:
        """Paint a muscular wall around red cells."""
        mpp, rng = self.anatomy.mpp, self.anatomy.organs.random(3, organ.key)
        ring = np.sin(depth * 2.6 + 2 * patch)
        blue, pink = 0.10 + 0.02 * grain, 0.52 + 0.07 * ring + 0.04 * grain
        inside = rise((depth - 8.6) / 0.8)
        side = organ.axes[0] / np.sqrt(2)
        places = organ.centre + rng.uniform(-side, side, (40, 2))
        discs = [_Space((r, c), (3.1 / mpp, 2.8 / mpp), 0.0) for r, c in places.tolist()]
        red = self._spaces(discs, organ.frame) * rise((depth - 9.5) / 0.8) * (0.8 + 0.1 * patch)
        return blue + inside * (0.02 + 0.05 * red - blue), pink + inside * (0.9 * red - pink)

    def _fat(self, _: Organ, depth: Layer, grain: Layer, patch: Layer) -> tuple[Layer, Layer]:
        """Paint a fat cell, which is dissolved but for its membrane."""
        wall = np.exp(-np.square((depth - 0.5) / 0.75)) * (1 + 0.2 * patch)
        return 0.05 * wall + 0 * grain, 0.02 + 0.30 * wall

    def _follicle(self, _: Organ, depth: Layer, grain: Layer, patch: Layer) -> tuple[Layer, Layer]:
        """Paint what lies between lymphocytes, paler in the germinal centre."""
        centre = rise((depth - 34) / 8)
        blue = 0.25 + 0.02 * grain + 0.05 * patch - 0.06 * centre
        pink = 0.24 + 0.02 * grain + 0.06 * patch + 0.03 * centre
        return blue, pink
