"""Training: from labelled images to a checkpoint."""
