"""From nuclei to numbers: who lies in which region, how many, how sure, and who is next to whom.

Here belong counts, fractions, densities, intervals and regions, on arrays and plane geometry.
No file, no setting, no network and no data frame: `io` reads, `steps` decide.
"""
