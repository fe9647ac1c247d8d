"""Networks and their checkpoints: the architectures, the views, and the mean of an ensemble.

A new architecture is one file here and one line in its registry. Training is in `nucwsi.training`,
and nothing here reads a slide or writes a result.
"""
