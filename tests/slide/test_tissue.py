"""Tissue: found where it is, and not on glass, in pens, in padding or where nothing is known."""

import numpy as np
import pytest
import shapely
from scipy import ndimage
from slides_made import GLASS, picture, shrunk

from nucwsi.io.slides.canvas import SlideCanvas, canvas_frame, level0_claim
from nucwsi.io.slides.slide import open_slide
from nucwsi.slide import blocks, tissue
from nucwsi.slide.glass import glass_colour, is_plain
from nucwsi.slide.tissue import (
    find_tissue,
    grown,
    looks_fluorescent,
    looks_miscoloured,
    pieces,
)

#: An overview of 8 µm per pixel: tissue of some 2 mm.
SLIDE = shrunk(picture(2600, 3000), 8)
TRUTH = np.any(np.abs(SLIDE.astype(int) - GLASS) > 25, axis=2)

PENS = {
    "blue": (50, 70, 165),
    "light blue": (150, 175, 220),
    "green": (30, 130, 70),
    "light green": (150, 215, 170),
    "black": (25, 25, 28),
    "pencil": (110, 110, 115),
    "red": (225, 50, 60),
    "dark red": (200, 20, 30),
}


def faded(image, share):
    """Stain less: the same tissue with a share of its optical density."""
    density = -np.log((image.astype(float) + 1) / (np.array(GLASS) + 1))
    return stained(share * density)


def stained(density):
    return np.clip(np.rint((np.array(GLASS) + 1) * np.exp(-density) - 1), 0, 255).astype(np.uint8)


def glass(height=300, width=400, level=GLASS, seed=0):
    """Return glass with the noise and the uneven light of a microscope."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = 1 - 0.03 * (rows**2 + columns**2)
    noisy = np.array(level) * light[..., None] + rng.normal(0, 1.5, (height, width, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def recall(mask, truth=TRUTH):
    return (mask & truth).sum() / truth.sum()


def beyond(mask, truth=TRUTH):
    """Count what was found more than three cells from the truth."""
    return (mask & ~ndimage.binary_dilation(truth, iterations=3)).sum()


@pytest.mark.parametrize("side_px", [7, 100, 10_000])
def test_blocks_do_not_show(side_px, monkeypatch):
    marked = SLIDE.copy()
    for row, colour in enumerate(PENS.values()):
        marked[40 * row : 40 * row + 9, 20:300] = colour
    found, ink = find_tissue(marked, 60), tissue.find_ink(marked)
    assert found.any()
    assert ink.any()
    monkeypatch.setattr(blocks, "SIDE_PX", side_px)
    assert np.array_equal(find_tissue(marked, 60), found)
    assert np.array_equal(tissue.find_ink(marked), ink)


@pytest.mark.parametrize(("share", "least"), [(1, 0.99), (0.6, 0.98), (0.4, 0.95), (0.3, 0.92)])
def test_pale_tissue_is_found(share, least):
    mask = find_tissue(faded(SLIDE, share), 60)
    assert recall(mask) > least
    assert beyond(mask) == 0


@pytest.mark.parametrize(
    "level", [(255, 255, 255), (230, 226, 228), (200, 200, 205), (240, 226, 234)]
)
@pytest.mark.parametrize("room", [None, (255, 255, 255), (0, 0, 0)])
def test_the_colour_of_glass_and_padding_do_not_matter(level, room):
    image = (SLIDE * (np.array(level) / GLASS)).clip(0, 255).round().astype(np.uint8)
    truth = TRUTH
    if room is not None:
        size = tuple(2 * side for side in TRUTH.shape)
        padded = np.full((*size, 3), room, np.uint8)
        padded[50 : 50 + len(image), 70 : 70 + image.shape[1]] = image
        image, truth = padded, np.zeros(size, bool)
        truth[50 : 50 + len(TRUTH), 70 : 70 + TRUTH.shape[1]] = TRUTH
    assert not looks_fluorescent(image)
    mask = find_tissue(image, 60)
    assert recall(mask, truth) > 0.97
    assert beyond(mask, truth) == 0


@pytest.mark.parametrize("level", [(255, 255, 255), GLASS, (225, 220, 224), (200, 200, 205)])
def test_glass_holds_no_tissue(level):
    assert not find_tissue(glass(level=level), 60).any()
    assert not find_tissue(np.full((200, 300, 3), level, np.uint8), 60).any()


TINTS = {
    "yellow": (240, 222, 198),
    "strong yellow": (250, 220, 120),
    "grey": (150, 150, 150),
    "dark grey": (120, 120, 120),
    "brownish": (160, 150, 130),
    "blue": (200, 222, 250),
    "green": (200, 230, 190),
    "pink": (240, 205, 225),
}


@pytest.mark.parametrize("room", [None, (255, 255, 255), (254, 254, 254), (0, 0, 0)])
@pytest.mark.parametrize("tint", TINTS.values(), ids=TINTS)
def test_glass_may_have_any_colour(tint, room):
    """The same tissue is found as on plain glass, and the colour is measured."""
    image, expected = (SLIDE * (np.array(tint) / GLASS)).round().astype(np.uint8), SLIDE
    if room is not None:
        around = ((20, 60), (30, 50), (0, 0))
        image, expected = (
            np.dstack([np.pad(one[..., c], around[:2], constant_values=room[c]) for c in range(3)])
            for one in (image, SLIDE)
        )
    assert np.abs(glass_colour(image).astype(int) - tint).max() <= 1
    assert not is_plain(glass_colour(image))
    assert not looks_fluorescent(image)
    assert not looks_miscoloured(image)
    mask, plain = find_tissue(image, 60), find_tissue(expected, 60)
    assert (mask ^ plain).sum() < 0.02 * plain.sum()


@pytest.mark.parametrize(
    "colour", [(230, 100, 145), (177, 87, 167), (190, 60, 50), (150, 125, 182)]
)
def test_a_picture_of_even_tissue_is_no_glass(colour):
    """Muscle, a lake of blood or a lawn of lymphocytes fills the picture, as even as glass."""
    rng = np.random.default_rng(0)
    image = np.clip(np.array(colour) + rng.normal(0, 1, (40, 40, 3)), 0, 255).astype(np.uint8)
    assert is_plain(glass_colour(image))
    assert find_tissue(image, 60).mean() > 0.99


@pytest.mark.parametrize("side_px", [3, 5, 8, 12])
def test_a_picture_amid_tissue_is_no_dust(side_px):
    """A field of 256 px at 0.25 µm is 8 pixels wide: as small as the least piece on a slide."""
    patch = SLIDE[150 : 150 + side_px, 220 : 220 + side_px]
    mask = find_tissue(patch, 63)
    # Single pixels are taken from the corners, as from every edge.
    assert mask.sum() >= side_px**2 - 4
    assert not find_tissue(np.full_like(patch, 243), 63).any()
    specks = np.full((20, 20, 3), 243, np.uint8)
    specks[5:10, 5:10] = (220, 150, 190)
    assert not find_tissue(specks, 63).any()


def stroke(shape):
    """Return the share of ink in each cell of a stroke with soft ends and uneven cover."""
    rng = np.random.default_rng(1)
    turn = np.linspace(0, 1, 600)
    line = np.zeros(shape)
    rows, columns = 20 + 250 * turn, 30 + 20 * np.sin(9 * turn)
    line[rows.astype(int), columns.astype(int)] = 1
    wide = ndimage.gaussian_filter(ndimage.grey_dilation(line, size=(11, 11)), 2)
    uneven = 0.85 + 0.6 * ndimage.gaussian_filter(rng.normal(size=shape), 2)
    return (wide * uneven.clip(0.6, 1.1))[..., None]


@pytest.mark.parametrize("colour", PENS.values(), ids=PENS)
def test_pen_is_no_tissue(colour):
    density = -np.log((np.array(colour) + 1) / (np.array(GLASS) + 1))
    tissue = -np.log((SLIDE.astype(float) + 1) / (np.array(GLASS) + 1))
    ink = stroke(TRUTH.shape)
    mask = find_tissue(stained(tissue + ink * density), 60)
    beside = ~ndimage.binary_dilation(TRUTH, iterations=3)
    assert not mask[(ink[..., 0] > 0.01) & beside].any()
    assert recall(mask, TRUTH & (ink[..., 0] < 0.01)) > 0.97


@pytest.mark.parametrize("axis", [0, 1])
def test_tissue_and_ink_turn_with_the_overview(axis):
    marked = SLIDE.copy()
    marked[40:60, 20:200] = PENS["red"]
    for find in (lambda image: find_tissue(image, 60), tissue.find_ink):
        np.testing.assert_array_equal(find(np.flip(marked, axis)), np.flip(find(marked), axis))


def test_dust_is_ignored_and_small_pieces_are_kept():
    image = glass()
    pink = (220, 150, 190)
    image[100:108, 100:108] = pink
    image[200:204, 200:204] = pink
    mask = find_tissue(image, 40)
    assert mask[102:106, 102:106].all()
    assert not mask[195:210, 195:210].any()
    assert find_tissue(image, 1)[201:203, 201:203].all()


def test_loose_tissue_is_one_piece():
    """Fat is a net of thin strands around droplets; large lumina stay open."""
    image = glass()
    net = np.zeros(image.shape[:2], bool)
    net[50:200, 50:250] = True
    net[50:200, 50:250].reshape(25, 6, 200)[:, 2:] = False
    net[50:200, 50:250:7] = net[50:200, 51:250:7] = True
    net[100:130, 100:130] = False
    image[net] = (215, 150, 190)
    [piece] = pieces(find_tissue(image, 60))
    assert piece.outline.area > 0.9 * (150 * 200 - 30 * 30)
    [lumen] = piece.outline.interiors
    assert 500 < shapely.Polygon(lumen).area < 1200


def test_tissue_to_the_edge_of_the_picture():
    mask = find_tissue(SLIDE[100:200, 180:300], 60)
    assert mask[1:-1, 1:-1].mean() > 0.99


def signal(colour, brightness, background, density=0.01, blur=2):
    """Paint cells that fade into a noisy background."""
    rng = np.random.default_rng(0)
    cells = ndimage.gaussian_filter((rng.random((200, 200)) < density) * 1.0, blur)
    image = background + brightness * (cells / cells.max())[..., None] * np.array(colour)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("background", [0, 15, 40])
@pytest.mark.parametrize("brightness", [0.4, 1, 4])
@pytest.mark.parametrize(
    "colour", [(255, 255, 255), (0, 0, 255), (30, 255, 40), (255, 90, 0), (200, 0, 255)]
)
def test_fluorescence_is_noticed(colour, brightness, background):
    """Grey, blue, green, orange and violet; faint, bright, and four times beyond saturation."""
    assert looks_fluorescent(signal(colour, brightness, background))


def test_tissue_that_glows_all_over_is_noticed():
    assert looks_fluorescent(signal((60, 120, 50), 2, 20, density=0.2, blur=5))


def test_a_dark_background_is_told_from_black_padding():
    assert not looks_fluorescent(SLIDE)
    assert not looks_fluorescent(np.full((50, 50, 3), 255, np.uint8))
    amid = SLIDE[100:220, 180:300]
    for image in (SLIDE, amid, faded(amid, 2.5), faded(SLIDE, 0.2), SLIDE[:100, :100]):
        assert not looks_fluorescent(image)
        assert not looks_fluorescent(np.pad(image, ((300, 300), (300, 300), (0, 0))))


@pytest.mark.parametrize("edge_px", [0, 1])
def test_a_black_slide_is_no_padding(edge_px):
    """Where the slide ends amid a pixel of the overview, white is mixed into it."""
    black = np.zeros((63, 63, 3), np.uint8)
    black[63 - edge_px :] = black[:, 63 - edge_px :] = 200
    assert looks_fluorescent(black)
    rng = np.random.default_rng(0)
    assert looks_fluorescent(rng.integers(0, 20, (63, 63, 3), np.uint8))
    assert looks_fluorescent(np.zeros((1, 1, 3), np.uint8))
    assert not looks_fluorescent(np.full((1, 1, 3), 240, np.uint8))


def test_mistaken_colours_are_noticed():
    red, green, blue = SLIDE.astype(float).transpose(2, 0, 1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    as_rgb = np.dstack([luma, 128 + 0.564 * (blue - luma), 128 + 0.713 * (red - luma)])
    assert looks_miscoloured(as_rgb.round().astype(np.uint8))
    # Taken for Y, Cb and Cr, and turned into RGB once more.
    turned = np.dstack(
        [
            red + 1.402 * (blue - 128),
            red - 0.344 * (green - 128) - 0.714 * (blue - 128),
            red + 1.772 * (green - 128),
        ]
    )
    assert looks_miscoloured(turned.clip(0, 255).round().astype(np.uint8))
    grey, eosin = np.full_like(SLIDE, 128), SLIDE[100:200, 180:300].copy()
    eosin[:60], eosin[60:] = (205, 128, 136), (150, 80, 130)
    for sound in (
        SLIDE,
        SLIDE[100:200, 180:300],
        faded(SLIDE, 0.3),
        glass(),
        SLIDE * 0,
        grey,
        eosin,
    ):
        assert not looks_miscoloured(sound)


def test_a_mask_grows_by_squares():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert grown(mask, 2).sum() == 25
    np.testing.assert_array_equal(grown(mask, 0), mask)


def test_pieces_are_outlined_with_their_holes():
    mask = np.zeros((20, 30), bool)
    mask[2:10, 3:13], mask[4:6, 5:8] = True, False
    mask[12:14, 20:25] = True
    mask[14, 25] = True  # touches at a corner only: a piece of its own
    found = pieces(mask)
    assert [piece.area_px for piece in found] == [74, 10, 1]
    assert found[0].outline.equals(shapely.box(3, 2, 13, 10).difference(shapely.box(5, 4, 8, 6)))
    assert pieces(np.zeros((5, 5), bool)) == []


#: Points seen by eye, in overview pixels (row, column), and the share of tissue.
SEEN = {
    "CMU-1-Small-Region.svs": {
        "tissue": [(35, 60), (68, 30), (100, 75), (130, 55), (160, 90), (170, 40), (90, 88)],
        "glass": [(30, 20), (100, 20), (150, 10), (60, 125), (120, 130), (31, 81)],
        "share": (0.35, 0.42),
    },
    "lung-scc.svs": {
        "tissue": [(60, 210), (150, 110), (190, 180), (370, 80), (410, 150), (250, 350), (265, 470),
                   (260, 553), (470, 72)],
        "glass": [(20, 20), (200, 30), (150, 300), (450, 300), (300, 550), (268, 158)],
        "share": (0.18, 0.21),
    },
    "HE-example.ome.tif": {
        "tissue": [(20, 40), (45, 20), (70, 60), (46, 46)],
        "glass": [(3, 3), (3, 83), (89, 4), (89, 83)],
        "share": (0.68, 0.75),
    },
    "OS-1-detail.ome.tif": {"tissue": [(3, 3), (15, 15), (28, 28)], "glass": [], "share": (0.9, 1)},
    "hard/two_regions_bounds.scn": {
        "tissue": [(30, 85), (80, 75), (150, 240), (220, 250)],
        "glass": [(20, 30), (60, 20), (60, 180), (180, 60), (160, 210)],
        "share": (0.10, 0.13),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SEEN)
def test_tissue_of_real_slides_is_where_the_eye_sees_it(shared, name):
    with open_slide(shared / "slides" / name) as slide:
        frame = canvas_frame(slide, level0_claim(slide), 0.5)
        overview, unreadable = SlideCanvas(slide, frame).overview(16, threads=2)
    assert not unreadable.any()
    assert not looks_fluorescent(overview)
    assert not looks_miscoloured(overview)
    mask = find_tissue(overview, 63)
    assert [point for point in SEEN[name]["tissue"] if not mask[point]] == []
    assert [point for point in SEEN[name]["glass"] if mask[point]] == []
    low, high = SEEN[name]["share"]
    assert low < mask.mean() <= high
