"""Regions on disk: GeoJSON of QuPath, XML of ImageScope and ASAP, annotations of HALO.

Here belongs how an outline is written down. What a region owns is decided in
`nucwsi.composition.regions`.
"""
