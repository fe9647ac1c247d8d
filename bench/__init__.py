"""How fast nucwsi is, how much memory it takes, and how accurate its members are.

``make bench`` runs the sections of ``python -m bench`` and writes their tables into
docs/performance.md and docs/accuracy.md. Times of one machine say little about another, so verdicts
rest on ratios within one run: time in all to time in the network, nuclei to processor seconds,
memory to the size of the slide.
"""
