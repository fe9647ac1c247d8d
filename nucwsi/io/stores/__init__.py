"""Stores of tiles and maps: zarr groups in one zip file, written whole and read core by core.

Here belong resuming, publishing and reading. What the arrays hold is computed elsewhere.
"""
