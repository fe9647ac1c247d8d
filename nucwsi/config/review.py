"""Settings of a pathologist's review."""

from __future__ import annotations

from nucwsi.config.section import Section, setting


class ReviewSettings(Section):
    """How many nuclei and frames somebody is asked about, and what is shown of them."""

    labels: int = setting(
        100, "nuclei to draw, shared out over slides and regions", ge=2, le=100_000
    )
    frames: int = setting(
        20,
        "squares to draw in which missed nuclei are marked, shared out over slides; 0: none, and"
        " nothing is said of missed nuclei",
        ge=0,
        le=10_000,
    )
    frame_um: float = setting(40.0, "side of a frame, in µm", ge=20, le=500)
    blind: bool = setting(False, "hide the predicted class of each nucleus")
    seed: int = setting(1, "seed of the draw; another one draws anew", ge=0)
