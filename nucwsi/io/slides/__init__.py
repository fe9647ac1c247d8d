"""Slides: their pixels at any resolution, the size of a pixel, and the sheet that lists them.

To add a slide format, write one module with a `SlideReader` (`slide_reader`), and name the function
that opens it in `slide.OPENERS`. What is tissue, how pixels are resampled and which claim about
their size is believed is computed in `nucwsi.slide`.
"""
