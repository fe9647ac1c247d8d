"""What people look at: the report, the viewer, and the pictures and checks in them.

Here belongs how results are shown. Nothing here changes a number, and no table is made here.
"""
