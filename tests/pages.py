"""The code blocks of the documentation, and the slides that they name."""

import re

from PIL import Image

from nucwsi.io.slides.phantom import write_phantom
from nucwsi.io.slides.slide import open_slide
from nucwsi.phantom import Phantom


def blocks(page):
    """List the code blocks of a page: language and text."""
    text = page.read_text("utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def write_slides(folder):
    """Write what the pages name: a folder of slides, and a photograph without a scale."""
    for name in ("slides", "demo"):
        (folder / name).mkdir(exist_ok=True)
    write_phantom(folder / "slides" / "a.tiff", Phantom((400, 500), seed=5))
    with open_slide(folder / "slides" / "a.tiff") as slide:
        pixels, _ = slide.read(0, slide.bounds)
    Image.fromarray(pixels).save(folder / "demo" / "photo.png")
