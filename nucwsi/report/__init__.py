"""What people look at: the report, the viewer, and the checks, maps and images in them.

`assess` gathers an `Assessment`, `report` makes `page` of it (`templates/`), and `render` makes the
viewer (`viewer/`). Modules here may read slides and nuclei, but write only the tiles of an image.

Nothing here changes a number, and no table of results is made here: that is `nucwsi.composition`.
"""
