"""Labelled images: what their classes may mean, their splits, and the targets of a network.

Here belongs what is computed of a truth, on arrays. Files with labels are read in `io.datasets`.
"""
