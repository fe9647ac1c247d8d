"""The second workflow: from labelled images to a member of an ensemble, and its scores.

Here belong samples, crops, augmentation, losses, the loop, teachers, scores of labelled images, and
what validation images choose. No network is defined here (`nucwsi.models`), no data set's layout is
read here (`nucwsi.io.datasets`), and only `load_samples` and the state of a run touch files.
"""
