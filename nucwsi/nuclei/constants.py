"""What is fixed of the way from maps to nuclei, in µm: part of every checkpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PostProcessing:
    """The constants with which a network's maps become nuclei, chosen on validation data.

    Attributes
    ----------
    np_threshold : float
        Nucleus where `np` is at least this.
    edge_slope : float
        Where a component of the `hv` map falls by more than this per µm, two nuclei meet.
    min_marker_um2 : float
        Smaller markers do not start a nucleus, in µm².
    min_area_um2 : dict
        Class name -> smallest nucleus of that class, in µm².
    min_mean_np : float
        Least mean `np` of a nucleus; 0: any.
    """

    np_threshold: float
    edge_slope: float
    min_marker_um2: float
    min_area_um2: dict[str, float]
    min_mean_np: float = 0.0
