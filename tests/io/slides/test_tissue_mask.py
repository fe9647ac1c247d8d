"""A mask marks the cells whose middle it marks, whatever its scale and kind of pixels."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from nucwsi.errors import SlideError
from nucwsi.grid import CELL_PX, Frame
from nucwsi.io.slides import tissue_mask as module
from nucwsi.io.slides.tissue_mask import read_tissue_mask

#: Bounds of 1,000 x 1,500 in a level 0 of 2,000 x 2,000; canvas pixels are two of level 0 wide.
FRAME = Frame((500, 750), 0.5, (0.25, 0.25), (300.0, 200.0), (2000, 2000))


def marked(shape=(100, 150)):
    mask = np.zeros(shape, np.uint8)
    mask[shape[0] // 2 :, : shape[1] // 3] = 1
    return mask


def expected():
    """The lower left part of the bounds: half of the rows, a third of the columns."""
    rows = np.minimum((np.arange(32) + 0.5) * CELL_PX, 499.5) >= 250
    columns = (np.arange(47) + 0.5) * CELL_PX < 250
    return rows[:, None] & columns


@pytest.mark.parametrize("shape", [(20, 30), (100, 150), (1000, 1500), (333, 500)])
def test_every_scale_marks_the_same_cells(tmp_path, shape):
    Image.fromarray(marked(shape) * 255).save(tmp_path / "m.png")
    differs = read_tissue_mask(tmp_path / "m.png", FRAME) != expected()
    # A mask whose rows do not end with the half may differ by one cell there.
    assert differs.sum() <= (16 if shape == (333, 500) else 0)


def rgb(mask):
    return np.dstack([mask * 0, mask * 200, mask * 0])


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(marked() == 1),
        Image.fromarray(marked()),
        Image.fromarray(marked().astype(np.uint16) * 1000),
        Image.fromarray(rgb(marked())),
        Image.fromarray(np.dstack([rgb(marked() | 1), marked() * 255])),
        Image.fromarray(marked()).convert("P"),
    ],
    ids=["bits", "grey", "deep", "colour", "alpha", "palette"],
)
def test_every_kind_of_pixel_but_zero_is_tissue(tmp_path, image):
    if image.mode == "P":
        image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_tissue_mask(tmp_path / "m.png", FRAME), expected())


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (marked(), {}),
        (marked() == 1, {}),
        (marked().astype(np.float32), {"compression": "deflate"}),
        (rgb(marked()), {"photometric": "rgb"}),
        (np.moveaxis(rgb(marked()), -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
    ],
)
def test_a_tiff_is_a_mask(tmp_path, values, options):
    tifffile.imwrite(tmp_path / "m.tiff", values, **options)
    np.testing.assert_array_equal(read_tissue_mask(tmp_path / "m.tiff", FRAME), expected())


def test_what_has_no_data_is_no_tissue(tmp_path):
    """GeoTIFF writes NaN there, which is not zero."""
    mask = np.where(marked() == 1, np.float32(0.25), np.float32(np.nan))
    tifffile.imwrite(tmp_path / "m.tif", mask)
    np.testing.assert_array_equal(read_tissue_mask(tmp_path / "m.tif", FRAME), expected())


def test_of_two_pictures_none_is_taken_for_the_mask(tmp_path):
    with tifffile.TiffWriter(tmp_path / "m.tif") as writer:
        writer.write(marked() * 0, metadata=None)
        writer.write(marked(), metadata=None, description="the other")
    with pytest.raises(SlideError, match=r"m\.tif: holds .*expected one picture as mask"):
        read_tissue_mask(tmp_path / "m.tif", FRAME)


def test_of_a_pyramid_the_smallest_level_that_suffices_is_read(tmp_path, monkeypatch):
    with tifffile.TiffWriter(tmp_path / "m.tif", ome=True) as file:
        tile = {"tile": (256, 256)}
        file.write(marked((1000, 1500)), subifds=2, metadata={"axes": "YX"}, **tile)
        for side in (500, 100):
            file.write(marked((side, side * 3 // 2)), subfiletype=1, **tile)
    monkeypatch.setattr(module, "LARGEST_UNTILED_PX", 20_000)
    np.testing.assert_array_equal(read_tissue_mask(tmp_path / "m.tif", FRAME), expected())


def test_a_mask_of_level_0_is_told_by_its_proportions(tmp_path):
    mask = np.zeros((200, 200), np.uint8)
    mask[30:80, 20:70] = 1
    Image.fromarray(mask).save(tmp_path / "m.png")
    found = read_tissue_mask(tmp_path / "m.png", FRAME)
    rows = np.minimum((np.arange(32) + 0.5) * CELL_PX, 499.5) < 250
    columns = (np.arange(47) + 0.5) * CELL_PX < 250
    np.testing.assert_array_equal(found, rows[:, None] & columns)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none.png", lambda path: None, "does not exist; expected a mask"),
        ("torn.png", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\nxx"), "cannot be read"),
        ("torn.tif", lambda path: path.write_bytes(b"II*\0xx"), "cannot be read"),
        ("square.png", lambda path: Image.new("L", (90, 50)).save(path), "the proportions of the"),
        (
            "stack.tif",
            lambda path: tifffile.imwrite(path, np.zeros((7, 100, 150), np.uint8), photometric=0),
            "expected one picture as mask",
        ),
    ],
)
def test_what_is_no_mask_of_the_slide_is_refused_in_one_line(tmp_path, name, make, message):
    make(tmp_path / name)
    with pytest.raises(SlideError, match=message) as raised:
        read_tissue_mask(tmp_path / name, FRAME)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("index", ["TileOffsets", "TileByteCounts"])
def test_a_mask_with_a_tile_that_is_half_there_is_refused(tmp_path, index):
    """Damage at random (seed 4, case 102): tifffile fills it with zeros, which are no tissue."""
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, marked((1000, 1500)), tile=(256, 256), compression="deflate")
    with tifffile.TiffFile(path, mode="r+b") as file:
        tag = file.pages[0].tags[index]
        tag.overwrite([0, *tag.value[1:]])
    with pytest.raises(SlideError, match="1 of its tiles have a place or a size only; it is dam"):
        read_tissue_mask(path, FRAME)


def test_a_mask_too_large_to_be_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_UNTILED_PX", 100)
    tifffile.imwrite(tmp_path / "m.tif", marked())
    with pytest.raises(SlideError, match="is too large to be read whole; save it smaller"):
        read_tissue_mask(tmp_path / "m.tif", FRAME)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        # Damage at random (seed 4, case 470), and more of its kind.
        ({"TileLength": 450_766_470}, "states tiles of 450766470 x 256 px, larger than any"),
        ({"TileLength": 1 << 20, "TileWidth": 1 << 20}, "states tiles of"),
        ({"TileLength": 512}, "lists 24 tiles of 512 x 256 px where 12 are needed"),
        ({"ImageLength": (1 << 31) - 1}, "is too large to be read whole"),
        ({"ImageWidth": 150_000}, "does not have the proportions of the slide"),
        ({"ImageLength": 10_000, "ImageWidth": 15_000}, "lists 24 tiles .* where 2360 are needed"),
        ({"BitsPerSample": 64}, "is a mask that cannot be read"),
        ({"Compression": 34887}, "is compressed as LERC, which is not read"),
        ({"Compression": 7}, "the tile begins with"),
    ],
)
def test_what_a_mask_states_of_its_size_is_not_believed(tmp_path, damage, message):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, marked((1000, 1500)), tile=(256, 256), compression="deflate")
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name, value in damage.items():
            tag = file.pages[0].tags[name]
            tag.overwrite(value, dtype="I" if name.startswith(("Tile", "Image")) else None)
    with pytest.raises(SlideError, match=rf"m\.tif: .*{message}"):
        read_tissue_mask(path, FRAME)


def test_a_stack_is_no_mask_however_many_pictures_it_has(tmp_path):
    """It is refused before any is decoded."""
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((5, 100, 150), np.uint8), photometric=0)
    with tifffile.TiffFile(tmp_path / "m.tif", mode="r+b") as file:
        file.pages[0].tags["ImageDescription"].overwrite('{"shape": [900000, 100, 150]}')
    with pytest.raises(SlideError, match="expected one picture as mask"):
        read_tissue_mask(tmp_path / "m.tif", FRAME)


def test_a_png_of_other_proportions_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    def decoded(*_):
        pytest.fail("decoded")

    Image.new("L", (90, 50)).save(tmp_path / "m.png")
    monkeypatch.setattr(Image.Image, "__array_interface__", property(decoded))
    with pytest.raises(SlideError, match=r"m\.png: a mask of 50 x 90 px does not have"):
        read_tissue_mask(tmp_path / "m.png", FRAME)
