"""Slides: their pixels at any resolution, the size of a pixel, and the sheet that lists them.

A new slide format is added here. What is tissue, and how pixels are resampled, is computed in
`nucwsi.slide`.
"""
