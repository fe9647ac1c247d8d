"""Tables of nuclei: our GeoParquet, and the forms that QuPath, Python and OME-Zarr readers expect.

Here belongs how a nucleus is written down. What a nucleus is, and its measures, are in
`nucwsi.nuclei`.
"""
