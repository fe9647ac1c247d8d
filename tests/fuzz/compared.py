"""Whether two results are the same, and what differs."""

from __future__ import annotations

from typing import Any


def alike(one: Any, other: Any, tolerance: float) -> bool:
    """Tell whether two results are the same, numbers up to a share of their size."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            alike(one[key], other[key], tolerance) for key in one
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other, [tolerance] * len(one)))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= tolerance * max(abs(one), abs(other))
    return bool(one == other)


def difference(one: Any, other: Any) -> str:
    """Name what differs."""
    if isinstance(one, dict) and isinstance(other, dict):
        return "; ".join(
            f"{key}: {other.get(key)!r:.80} became {one.get(key)!r:.80}"
            for key in (one | other)
            if one.get(key) != other.get(key)
        )[:400]
    return "another result"
