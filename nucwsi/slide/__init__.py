"""What is computed of a slide's pixels: where the tissue is, and pixels of another size.

Here belong functions on arrays. Files of slides are opened in `io.slides`.
"""
