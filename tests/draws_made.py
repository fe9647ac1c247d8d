"""A draw made without results."""

from nucwsi.review.draw import Draw, DrawnFrame, DrawnNucleus


def made(**changes):
    """Return a draw of two nuclei and a frame, with some of its facts changed."""
    facts = {
        "key": "0123456789abcdef",
        "slide": "s",
        "slide_checksum": "c",
        "results": "r",
        "classes": ("plasma", "mitosis"),
        "area": {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]},
        "nuclei": (DrawnNucleus(id=7, probability=0.5), DrawnNucleus(id=9, probability=1)),
        "frames": (DrawnFrame(box=(0, 0, 10, 10), probability=0.25),),
    }
    return Draw(**facts | changes)
