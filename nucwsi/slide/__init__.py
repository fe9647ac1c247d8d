"""What is computed of a slide: the size of its pixels, where the tissue is, pixels of another size.

Here belong functions on arrays. Files of slides are opened in `io.slides`.
"""
