"""Program for TIAToolbox's environment: take a slide to QuPath with a network of nucwsi.

Of nucwsi it imports what needs nothing but torch, because that environment has no more of it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from tiatoolbox.models.architecture.hovernet import HoVerNet
from tiatoolbox.models.engine.io_config import IOInstanceSegmentorConfig
from tiatoolbox.models.engine.multi_task_segmentor import MultiTaskSegmentor
from tiatoolbox.models.models_abc import ModelABC

from nucwsi.models.architectures import build_network
from nucwsi.models.network import activate

#: Post-processing tiles and their margin in pixels, as TIAToolbox ships them with its HoVer-Net.
_TILE_PX, _TILE_MARGIN_PX = 1024, 128


class Model(ModelABC):
    """A network of nucwsi, as TIAToolbox asks for one, with the post-processing of its HoVer-Net.

    Parameters
    ----------
    exported : dict
        What `bench.peer` has written of the network.
    margin_px : int
        Pixels at each border of a patch that are seen but not answered for.

    Attributes
    ----------
    seconds : float
        Spent in the network so far, from the bytes of patches to maps in memory.
    """

    postproc = HoVerNet.postproc

    def __init__(self, exported: dict[str, Any], margin_px: int) -> None:
        super().__init__()
        classes = exported["classes"]
        network: Any = build_network(exported["architecture"], exported["widths"], len(classes))
        network.load_state_dict(exported["weights"])
        self.network = network.eval().folded().to(memory_format=torch.channels_last)
        self.precision = getattr(torch, exported["precision"])
        self.margin_px, self.seconds = margin_px, 0.0
        self.tasks = ["nuclei_segmentation"]
        self.class_dict = {self.tasks[0]: dict(enumerate(("background", *classes)))}

    def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return `np`, `hv` and the class, all (N, H, W, C); class 0 would be background."""
        image = patches.permute(0, 3, 1, 2)
        image = image.to(torch.float32, memory_format=torch.channels_last).div(255)
        enabled = self.precision != torch.float32
        with torch.autocast("cpu", self.precision, enabled=enabled):
            raw = self.network(image, self.margin_px)
        maps = activate(raw)
        chosen = maps.tp_map.argmax(1, keepdim=True).float() + 1
        return tuple(of.permute(0, 2, 3, 1).contiguous() for of in (*maps[:2], chosen))

    @staticmethod
    def infer_batch(
        model: Model, batch_data: torch.Tensor, *, device: str
    ) -> tuple[NDArray[Any], ...]:
        """Compute the maps of a batch of patches (N, H, W, 3), and count the seconds."""
        started = time.monotonic()
        with torch.inference_mode():
            answer = tuple(of.numpy() for of in model(batch_data.to(device)))
        model.seconds += time.monotonic() - started
        return answer


def main(asked: dict[str, Any]) -> dict[str, Any]:
    """Analyse a slide; return the seconds in the network and the number of nuclei."""
    torch.set_num_threads(asked["threads"])
    exported = torch.load(asked["network"], weights_only=True)
    seen_px, answered_px = asked["seen_px"], asked["answered_px"]
    model = Model(exported, (seen_px - answered_px) // 2)
    resolution = {"units": "mpp", "resolution": exported["mpp"]}
    geometry = IOInstanceSegmentorConfig(
        input_resolutions=[resolution],
        output_resolutions=[resolution] * 3,
        save_resolution=resolution,
        patch_input_shape=(seen_px, seen_px),
        patch_output_shape=(answered_px, answered_px),
        stride_shape=(answered_px, answered_px),
        tile_shape=(_TILE_PX, _TILE_PX),
        margin=_TILE_MARGIN_PX,
    )
    engine = MultiTaskSegmentor(model, batch_size=asked["batch"], device="cpu", verbose=False)
    written = engine.run(
        [Path(asked["slide"])],
        ioconfig=geometry,
        patch_mode=False,
        save_dir=Path(asked["folder"]),
        output_type="qupath",
        class_dict=model.class_dict,
    )
    (path,) = (path for paths in written.values() for path in paths)
    return {"network_s": model.seconds, "written": str(path)}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
