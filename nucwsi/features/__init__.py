"""Features of a nucleus: numbers that describe its shape, its stains, its texture and its place.

Every function here takes pixels and outlines, and nothing else decides its answer: not the window
that the pixels were cut from, nor the other nuclei in it. Lengths are in µm, so that features of
slides of different resolution mean the same. Nothing here reads a file or knows a class.
"""
