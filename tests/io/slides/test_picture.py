"""Plain pictures are slides: their pixels are those that the file holds, or they are refused."""

import io
import struct
import zlib

import numpy as np
import pytest
import simplejpeg
from fuzz.pictures import png_of
from PIL import Image
from slides_made import picture

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.slides import picture as module
from nucwsi.io.slides.slide import open_slide
from nucwsi.slide.mpp import MppClaim

IMAGE = picture()[:90, :130]
WHOLE = Window(0, 0, *IMAGE.shape[:2])


def read(path, window=WHOLE):
    with open_slide(path) as slide:
        pixels, bad = slide.read(0, window)
    assert bad == []
    return pixels


def saved(path, image=IMAGE, **options):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "vendor", "options"),
    [
        ("a.png", "png", {}),
        ("a.webp", "webp", {"lossless": True}),
        ("a.BMP", "bmp", {"format": "BMP"}),
        ('it\'s "a".png', "png", {}),
        ("wrong.svs", "png", {"format": "PNG"}),
    ],
)
def test_every_pixel_is_that_of_the_file(tmp_path, name, vendor, options):
    path = saved(tmp_path / name, **options)
    np.testing.assert_array_equal(read(path), IMAGE)
    with open_slide(path) as slide:
        assert slide.vendor == vendor
        assert [level.shape for level in slide.levels] == [IMAGE.shape[:2]]
        assert slide.bounds == WHOLE
        # Pillow writes the resolution of a screen into a BMP.
        assert [claim.source for claim in slide.claims] == ["bmp"] * (vendor == "bmp")


def test_a_window_beyond_the_picture_is_white(tmp_path):
    path = saved(tmp_path / "a.png")
    pixels = read(path, Window(-5, 100, 20, 50))
    np.testing.assert_array_equal(pixels[5:, :30], IMAGE[:15, 100:])
    assert (pixels[:5] == 255).all()
    assert (pixels[:, 30:] == 255).all()
    assert (read(path, Window(500, 500, 3, 3)) == 255).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (513, 2)])
def test_a_picture_may_be_of_any_size(tmp_path, shape):
    image = np.resize(IMAGE, (*shape, 3))
    path = saved(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read(path, Window(0, 0, *shape)), image)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_is_decoded_as_a_jpeg_tile_is(tmp_path, options):
    path = saved(tmp_path / "a.jpg", quality=90, **options)
    np.testing.assert_array_equal(read(path), simplejpeg.decode_jpeg(path.read_bytes(), "RGB"))


def test_transparent_pixels_lie_on_white(tmp_path):
    alpha = np.zeros(IMAGE.shape[:2], np.uint8)
    alpha[:, 40:] = 255
    alpha[:, 80:] = 51
    path = saved(tmp_path / "a.png", np.dstack([IMAGE, alpha]))
    pixels = read(path)
    assert (pixels[:, :40] == 255).all()
    np.testing.assert_array_equal(pixels[:, 40:80], IMAGE[:, 40:80])
    expected = 255 - 0.2 * (255.0 - IMAGE[:, 80:])
    assert np.abs(pixels[:, 80:] - expected).max() <= 1


def test_a_palette_is_looked_up_and_its_transparent_colour_is_white(tmp_path):
    indexed = Image.fromarray(IMAGE).quantize(16)
    path = saved(tmp_path / "a.png", indexed)
    np.testing.assert_array_equal(read(path), np.asarray(indexed.convert("RGB")))
    path = saved(tmp_path / "b.png", indexed, transparency=0)
    hidden = np.asarray(indexed) == 0
    assert hidden.any()
    assert (read(path)[hidden] == 255).all()
    np.testing.assert_array_equal(read(path)[~hidden], np.asarray(indexed.convert("RGB"))[~hidden])


def test_inks_become_colours(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.fromarray(IMAGE).convert("CMYK"), quality=100)
    assert np.abs(read(path).astype(int) - IMAGE).mean() < 8


def test_a_picture_that_exif_turns_is_read_as_it_is_stored(tmp_path, caplog):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.png", "a.webp"):
        path = saved(tmp_path / name, lossless=True, exif=exif)
        np.testing.assert_array_equal(read(path), IMAGE)
        assert "EXIF asks to turn it (orientation 6); it is analysed as it is" in caplog.text
        caplog.clear()
    exif[0x0112] = 1
    read(saved(tmp_path / "b.png", exif=exif))
    assert not caplog.text


def test_what_a_phone_puts_behind_a_jpeg_is_no_scene(tmp_path):
    frames = [Image.fromarray(image) for image in (IMAGE, IMAGE[:30, :40])]
    path = tmp_path / "phone.jpg"
    frames[0].save(path, format="MPO", save_all=True, append_images=frames[1:])
    assert read(path).shape == IMAGE.shape


def test_a_resolution_is_a_claim_about_the_size_of_pixels(tmp_path):
    fine = 25400 / 0.25
    with open_slide(saved(tmp_path / "a.png", dpi=(fine, fine))) as slide:
        [claim] = slide.claims
    assert (claim.rows, claim.source) == (pytest.approx(0.25), "png")
    with open_slide(saved(tmp_path / "a.jpg", dpi=(72, 72))) as slide:
        assert slide.claims == [MppClaim(pytest.approx(352.8, 1e-3), 25400 / 72, "jpeg")]


GREY = Image.fromarray(IMAGE).convert("L")
DEEP = Image.fromarray(np.full((20, 20), 30_000, np.uint16))


def deep_png():
    """A PNG of 16 bits a channel, which Pillow does not write."""
    import imagecodecs

    return imagecodecs.png_encode(IMAGE.astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (GREY, r"holds grey values \(Pillow's mode L\); expected brightfield RGB of 8 bits"),
        (GREY.convert("LA"), "holds grey values"),
        (GREY.convert("1"), "holds grey values"),
        (DEEP, "has 16 bits a channel; expected 8"),
        (deep_png(), "has 16 bits a channel; expected 8"),
    ],
)
def test_what_is_no_picture_in_colours_of_8_bits_is_refused(tmp_path, image, message):
    path = tmp_path / "a.png"
    if isinstance(image, bytes):
        path.write_bytes(image)
    else:
        saved(path, image)
    with pytest.raises(SlideError, match=rf"a\.png: {message}") as raised:
        open_slide(path)
    assert "\n" not in str(raised.value)


def test_a_film_is_refused(tmp_path):
    frames = [Image.fromarray(image) for image in (IMAGE, 255 - IMAGE)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(SlideError, match="holds 2 pictures; export one of them"):
        open_slide(tmp_path / "a.webp")


def test_a_picture_too_large_to_be_decoded_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_UNTILED_PX", 1000)
    with pytest.raises(SlideError, match=r"90 x 130 px are too many .* `vips tiffsave --tile"):
        open_slide(saved(tmp_path / "a.png"))


def test_pillows_limit_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    read(saved(tmp_path / "a.png"))
    assert Image.MAX_IMAGE_PIXELS == 10


def damaged(data, kind):
    if kind == "cut":
        return data[: len(data) // 2]
    if kind == "head":
        return data[:30]
    place = len(data) // 2
    return data[:place] + bytes(64) + data[place + 64 :]


# Neither BMP nor lossy WebP has checksums.
@pytest.mark.parametrize(
    ("form", "kind"),
    [
        *((form, kind) for form in ("PNG", "JPEG") for kind in ("cut", "head", "hole")),
        *((form, kind) for form in ("WEBP", "BMP") for kind in ("cut", "head")),
    ],
)
def test_a_damaged_picture_is_refused_in_one_line(tmp_path, form, kind):
    noise = np.random.default_rng(0).integers(0, 256, IMAGE.shape, np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, form)
    path = tmp_path / "a.bin"
    path.write_bytes(damaged(stream.getvalue(), kind))
    with pytest.raises(SlideError, match=rf"a\.bin: is a {form} that cannot be read") as raised:
        open_slide(path)
    assert "\n" not in str(raised.value)


def test_a_png_without_its_lower_half_is_refused(tmp_path):
    """Its chunks and checksums are right: Pillow painted the rest black."""
    header = struct.pack(">IIBBBBB", 130, 90, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in IMAGE[:45])
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(png_of(chunks))
    with pytest.raises(SlideError, match=r"a\.png: is a PNG that cannot be read \(it holds 50% of"):
        open_slide(tmp_path / "a.png")


def test_inks_without_their_lower_half_are_refused(tmp_path):
    """Pillow painted the rest grey."""
    path = saved(tmp_path / "a.jpg", Image.fromarray(picture(300, 300)).convert("CMYK"))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\xff\xd9")
    with pytest.raises(SlideError, match=r"a\.jpg: is a JPEG that cannot be read \(Corrupt JPEG"):
        open_slide(path)


def test_a_picture_has_one_scene(tmp_path):
    path = saved(tmp_path / "a.png")
    with open_slide(path, "1") as slide:
        assert slide.scene == ""
    with pytest.raises(SlideError, match="has no scene '2': a PNG is one picture"):
        open_slide(path, "2")
