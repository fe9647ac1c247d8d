"""From maps to nuclei: components, who owns them, instances, outlines, measures, seams.

Here belongs what is computed of maps, on arrays and in canvas pixels. No file, no setting, no
network: `steps.segment` reads the maps and writes the nuclei.
"""
