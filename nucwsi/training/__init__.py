"""The second workflow: from labelled images to a member of an ensemble, and its scores.

Here belong samples, augmentation, losses, the loop, teachers, and the choice of constants. The
networks themselves are in `nucwsi.models`.
"""
