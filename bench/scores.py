"""Program: ``evaluate`` for many ensembles of the same members, each member run once an image."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch

from nucwsi.config import EvaluateSettings
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.network import Network, NetworkMaps
from nucwsi.steps import evaluate

_ANSWERS: dict[tuple[str, str, int], NetworkMaps] = {}


def _digest(values: torch.Tensor) -> str:
    return hashlib.sha256(values.detach().cpu().numpy().tobytes()).hexdigest()


class _Remembering(Ensemble):
    """An ensemble that reuses the answer of a member of the same weights to the same image."""

    def _activated(self, member: Network, image: torch.Tensor, margin_px: int) -> NetworkMaps:
        key = (_digest(next(iter(member.state_dict().values()))), _digest(image), margin_px)
        if key not in _ANSWERS:
            _ANSWERS[key] = super()._activated(member, image, margin_px)
        return _ANSWERS[key]


def main(images: Path, threads: int, wanted: dict[str, dict[str, Any]]) -> None:
    """Score ensembles; `wanted` maps an output folder to members, views and split."""
    vars(evaluate)["Ensemble"] = _Remembering
    for output, what in wanted.items():
        members = tuple(what.pop("members"))
        settings = EvaluateSettings(**what)
        evaluate.evaluate([images], Path(output), settings, members=members, threads=threads)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
    print("{}")
