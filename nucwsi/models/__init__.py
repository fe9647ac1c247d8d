"""Networks and their checkpoints: the architectures, the views, and the mean of an ensemble.

A new architecture is one file here, with a `network.Network`, and one line in `architectures`.
Training is in `nucwsi.training`; nothing here reads a slide or writes a result.
"""
