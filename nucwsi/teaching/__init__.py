"""Classes of a user's own, learnt from answers for a hundred nuclei or so.

Here belong the classifier, how it is fitted, and what cross-validation says of it, on arrays of
features. No file, no slide and no setting: `io.classifier` reads and writes, `steps` does the rest.
"""
