"""Labelled images: what their classes may mean, who may see them, and what a network should answer.

Here belongs what is computed of a truth, on arrays. Files with labels are read in `io.datasets`.
"""
