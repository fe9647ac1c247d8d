"""A pathologist's review of nuclei: what is drawn for it, and what its answers say of the rest.

Here belong the draw with its probabilities, the frames, the walk through them, and the estimator,
on arrays and points. No file, no setting and no network: `io.review` reads and writes.
"""
