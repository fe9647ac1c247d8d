"""The size of a compressed tile is known before memory is taken for it."""

from contextlib import suppress

import imagecodecs
import numpy as np
import pytest

from nucwsi.io.slides.codecs import check_size, stated_size

RNG = np.random.default_rng(0)

ENCODERS = {
    "jpeg": (imagecodecs.jpeg8_encode, {}),
    "jpeg 2000 file": (imagecodecs.jpeg2k_encode, {"codecformat": "jp2"}),
    "jpeg 2000 stream": (imagecodecs.jpeg2k_encode, {"codecformat": "j2k"}),
    "jpeg xr": (imagecodecs.jpegxr_encode, {}),
    "webp": (imagecodecs.webp_encode, {}),
    "webp lossless": (imagecodecs.webp_encode, {"lossless": True}),
    "png": (imagecodecs.png_encode, {}),
    "jpeg xl": (imagecodecs.jpegxl_encode, {}),
    "jpeg xl file": (imagecodecs.jpegxl_encode, {"usecontainer": True}),
}


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("shape", [(256, 256), (64, 128), (300, 17), (96, 128), (48, 1300)])
def test_every_codec_states_its_size(kind, shape):
    encode, options = ENCODERS[kind]
    data = encode(RNG.integers(0, 256, (*shape, 3), np.uint8), **options)
    assert stated_size(data) == shape
    check_size(data, 7, shape)
    for smaller in ((shape[0] - 1, shape[1]), (shape[0], shape[1] - 1)):
        with pytest.raises(ValueError, match=f"measures {shape[0]} x {shape[1]} px, expected"):
            check_size(data, 7, smaller)


def test_webp_with_alpha_states_its_size():
    assert stated_size(imagecodecs.webp_encode(RNG.integers(0, 256, (40, 70, 4), np.uint8))) == (
        40,
        70,
    )


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_damaged_header_is_refused(kind):
    encode, options = ENCODERS[kind]
    data = encode(RNG.integers(0, 256, (64, 64, 3), np.uint8), **options)
    for length in (0, 1):
        with pytest.raises(ValueError, match=r"the tile begins with"):
            check_size(data[:length], 7, (64, 64))
    for place in range(min(len(data), 200)):
        bent = bytearray(data)
        bent[place] ^= 0xFF
        with suppress(ValueError):
            check_size(bytes(bent), 7, (64, 64))


def test_a_stream_of_many_channels_or_tiles_is_refused():
    data = bytearray(imagecodecs.jpeg2k_encode(np.zeros((128, 64, 3), np.uint8), codecformat="j2k"))
    data[40:42] = (16384).to_bytes(2, "big")
    with pytest.raises(ValueError, match="16384 channels"):
        stated_size(bytes(data))
    data[40:42] = (3).to_bytes(2, "big")
    data[24:32] = (1).to_bytes(4, "big") * 2
    with pytest.raises(ValueError, match="8192 tiles of its own"):
        check_size(bytes(data), 33003, (128, 64))


def test_codecs_that_stop_at_the_size_of_the_tile_are_not_asked():
    check_size(b"any", 8, (64, 64))
