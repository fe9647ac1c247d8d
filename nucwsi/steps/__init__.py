"""The verbs of the pipeline, one module each: tile, predict, segment, stitch, compose, and so on.

A step opens its inputs, turns µm into pixels, calls the computation, and publishes its output.
No step loops over pixels; helpers live in the folder of their noun.
"""
