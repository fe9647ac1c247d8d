"""Files in and out: slides, stores, tables of nuclei, regions, and data sets with labels.

Here belongs what knows a format. Nothing here decides what a result is: it reads what is there,
writes what it is given, whole or not at all, and refuses what is damaged.
"""
