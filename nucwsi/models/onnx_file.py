"""Networks in ONNX files, run by onnxruntime, which is an extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nucwsi.errors import CheckpointError, pass_on_lack_of_memory


class OnnxProgram:
    """A session of onnxruntime.

    The file is handed over as bytes, and what it keeps in other files is looked for where nothing
    is: a member is one file, all of which its checksum covers.

    Parameters
    ----------
    path : pathlib.Path
        An ``.onnx`` file.
    device : torch.device
        Where it runs: on CUDA if onnxruntime was built for it, else on the processor.

    Attributes
    ----------
    outputs : tuple of str
        Names of what it returns, in its order.
    shape : tuple of int or None
        Sizes of its input; None for those that may vary.

    Raises
    ------
    CheckpointError
        If onnxruntime is not installed, or cannot use the file.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise CheckpointError(
                f"{path}: needs onnxruntime, which is not installed; `pip install 'nucwsi[onnx]'`"
            ) from None
        self._path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        nowhere = str(path / "no such folder")
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", nowhere
        )
        able = onnxruntime.get_available_providers()
        wanted = [("CUDAExecutionProvider", {"device_id": device.index or 0})]
        if device.type != "cuda" or wanted[0][0] not in able:
            wanted = []
        try:
            self._session: Any = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=[*wanted, "CPUExecutionProvider"]
            )
        # Every fault has a type of its own.
        except Exception as error:  # noqa: BLE001
            pass_on_lack_of_memory(error)
            raise CheckpointError(
                f"{path}: onnxruntime {onnxruntime.__version__} cannot use it"
                f" ({type(error).__name__}): it is damaged, newer, or keeps its weights in another"
                " file; export it again, with `external_data=False`"
            ) from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            got = ", ".join(f"{item.name}: {item.type} {item.shape}" for item in inputs)
            raise CheckpointError(
                f"{path}: expected one input of float32 with four axes (image, colour, row,"
                f" column), got {got:.200}"
            )
        self._input = inputs[0].name
        self.shape: tuple[int | None, ...] = tuple(
            side if isinstance(side, int) else None for side in inputs[0].shape
        )
        self.outputs = tuple(item.name for item in self._session.get_outputs())

    def __call__(self, image: Tensor) -> list[Tensor]:
        """Compute all outputs.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float32
            RGB in [0, 1].

        Returns
        -------
        list of Tensor
            On the device of `image`, in the order of `outputs`.

        Raises
        ------
        CheckpointError
            If the network cannot be shown images of this shape.
        """
        shown = image.contiguous().cpu().numpy()
        try:
            answers = self._session.run(list(self.outputs), {self._input: shown})
        except Exception as error:  # noqa: BLE001
            pass_on_lack_of_memory(error)
            raise CheckpointError(
                f"{self._path}: cannot be shown a window of {tuple(image.shape)}"
                f" ({type(error).__name__}); export it with a free height and width, or adopt it"
                " with the stride that its windows must be multiples of"
            ) from None
        return [torch.from_numpy(answer).to(image.device) for answer in answers]
