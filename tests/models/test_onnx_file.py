"""ONNX files are run by onnxruntime; what it cannot use is refused in one line."""

import sys

import onnx
import pytest
import torch
from exports_made import Tiny, write_onnx
from onnx import TensorProto, helper

from nucwsi.errors import CheckpointError
from nucwsi.models.onnx_file import OnnxProgram

CPU = torch.device("cpu")


def test_a_file_answers_as_the_network(tmp_path):
    program = OnnxProgram(write_onnx(tmp_path / "tiny.onnx"), CPU)
    assert (program.outputs, program.shape) == (("np", "hv", "tp"), (None, 3, None, None))
    image = torch.rand(2, 3, 11, 20).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = Tiny()(image)
    for name, answer in zip(program.outputs, program(image), strict=True):
        torch.testing.assert_close(answer, expected[name], atol=1e-5, rtol=1e-4)


def test_weights_in_another_file_are_refused(tmp_path, monkeypatch):
    """The checksum would not cover them, wherever the user stands."""
    write_onnx(tmp_path / "tiny.onnx", external=True)
    assert len(list(tmp_path.iterdir())) > 1
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "tiny.onnx", (tmp_path / "tiny.onnx").relative_to(tmp_path)):
        with pytest.raises(CheckpointError, match="external_data=False") as caught:
            OnnxProgram(path, CPU)
        assert "\n" not in str(caught.value)


def test_a_damaged_file_is_refused(tmp_path):
    path = write_onnx(tmp_path / "tiny.onnx")
    for content in (path.read_bytes()[:100], b"", b"x" * 50):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"tiny\.onnx: onnxruntime .* cannot use it"):
            OnnxProgram(path, CPU)


def test_another_input_is_refused(tmp_path):
    for kind, shape in ((TensorProto.FLOAT, [1, 3]), (TensorProto.UINT8, [1, 3, 8, 8])):
        info = helper.make_tensor_value_info("x", kind, shape)
        out = helper.make_tensor_value_info("y", kind, shape)
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [info], [out])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / "x.onnx")
        with pytest.raises(CheckpointError, match="expected one input of float32 with four axes"):
            OnnxProgram(tmp_path / "x.onnx", CPU)


def test_a_window_that_it_does_not_take_is_told_in_one_line(tmp_path):
    program = OnnxProgram(write_onnx(tmp_path / "tiny.onnx", side=16), CPU)
    assert program.shape == (1, 3, 16, 16)
    with pytest.raises(CheckpointError, match=r"cannot be shown a window of \(1, 3, 16, 24\)") as c:
        program(torch.rand(1, 3, 16, 24))
    assert "\n" not in str(c.value)


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    path = write_onnx(tmp_path / "tiny.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CheckpointError, match=r"pip install 'nucwsi\[onnx\]'"):
        OnnxProgram(path, CPU)
