"""Exported programs of both kinds are shown images alike."""

import pytest
import torch
from exports_made import Tiny, free, write_onnx, write_pt2
from torch import nn

from nucwsi.errors import CheckpointError
from nucwsi.models.program import open_program

CPU = torch.device("cpu")


class Several(nn.Module):
    """Takes a number of images in a row."""

    def forward(self, one, other):
        return one + other


class Listed(Tiny):
    """Returns its maps without names."""

    def forward(self, image):
        return list(super().forward(image).values())


class Alone(nn.Module):
    """Returns one tensor."""

    def forward(self, image):
        return image.sigmoid()


@pytest.mark.parametrize(
    ("network", "outputs"),
    [(Tiny, ("np", "hv", "tp")), (Listed, ("0", "1", "2")), (Alone, ("0",))],
)
def test_outputs_have_names_or_numbers(tmp_path, network, outputs):
    program = open_program(write_pt2(tmp_path / "x.pt2", network()), CPU)
    assert (program.outputs, program.shape) == (outputs, (None, 3, None, None))
    answers = program(torch.rand(1, 3, 9, 9))
    assert len(answers) == len(outputs)


def test_a_program_for_one_size_says_so(tmp_path):
    for path in (
        write_pt2(tmp_path / "x.pt2", side=16, shapes=False),
        write_onnx(tmp_path / "x.onnx", 16),
    ):
        assert open_program(path, CPU).shape == (1, 3, 16, 16)


def test_a_program_that_does_not_take_one_image_is_refused(tmp_path):
    image = torch.rand(2, 3, 8, 8)
    torch.export.save(torch.export.export(Several(), (image, image)), tmp_path / "several.pt2")
    with pytest.raises(CheckpointError, match=r"several\.pt2: expected one input with four axes"):
        open_program(tmp_path / "several.pt2", CPU)
    torch.export.save(torch.export.export(Alone(), (image,)), tmp_path / "batch.pt2")
    with pytest.raises(CheckpointError, match=r"batch\.pt2: takes images of \(2, 3, 8, 8\)"):
        open_program(tmp_path / "batch.pt2", CPU)
    grey = (torch.rand(2, 1, 8, 8),)
    program = torch.export.export(Alone(), grey, dynamic_shapes=free())
    torch.export.save(program, tmp_path / "grey.pt2")
    with pytest.raises(CheckpointError, match=r"grey\.pt2: takes images of .* expected 3 colours"):
        open_program(tmp_path / "grey.pt2", CPU)
