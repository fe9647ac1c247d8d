"""The verbs: each reads artefacts, calls the computation, and publishes one artefact."""
