"""How fast nucwsi is, and how much memory it takes; ``make bench`` writes docs/performance.md.

Times of one machine say little about another. What is judged are ratios within one run: of all
time to that of the network alone, of nuclei to processor seconds, of memory to the slide's size.
"""
