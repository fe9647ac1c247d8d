"""From nuclei to numbers: which region owns which nuclei, their counts, and their neighbours.

Here belong counts, fractions, densities, intervals and regions, on arrays and plane geometry.
No file, no setting, no network and no data frame: `io` reads, `steps` decide.
"""
