"""From maps to nuclei: components and who owns them, instances, outlines, measures, seams.

Here lives what is computed of maps, on arrays and in canvas pixels. Files, settings, networks and
loggers may not: `steps.segment` reads the maps and writes the nuclei.
"""
