"""An exported network answers as its card says, or is refused with the output's name."""

import pytest
import torch
from exports_made import CLASSES, RADIUS, Tiny, write_onnx, write_pt2

from nucwsi.errors import CheckpointError
from nucwsi.models.exported import ExportedNetwork
from nucwsi.models.interface import Interface
from nucwsi.models.network import activate


def interface(**more):
    fields = {"np": "np", "hv": "hv", "tp": "tp", "stride": 1, "receptive_radius_px": RADIUS}
    return Interface(**{**fields, **more})


def network_of(path, **more):
    return ExportedNetwork(path, interface(**more), len(CLASSES))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    return {
        "pt2": write_pt2(folder / "tiny.pt2"),
        "onnx": write_onnx(folder / "tiny.onnx"),
        "logits": write_onnx(folder / "logits.onnx", logits=True),
        "fixed": write_onnx(folder / "fixed.onnx", side=24),
    }


@pytest.fixture(scope="module")
def image():
    return torch.rand(2, 3, 40, 50, generator=torch.Generator().manual_seed(1))


def maps(network, image, margin_px=0):
    with torch.inference_mode():
        return activate(network.eval().folded()(image, margin_px))


@pytest.mark.parametrize(
    ("file", "more"), [("pt2", {}), ("onnx", {}), ("logits", {"logits": True})]
)
def test_maps_are_those_of_what_was_exported(files, image, file, more):
    with torch.inference_mode():
        expected = Tiny()(image)
    found = maps(network_of(files[file], **more), image)
    for value, name in zip(found, ("np", "hv", "tp"), strict=True):
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-4)


def test_a_margin_is_seen_but_not_answered_for(files, image):
    network = network_of(files["onnx"])
    for value, part in zip(maps(network, image), maps(network, image, 5), strict=True):
        torch.testing.assert_close(value[..., 5:-5, 5:-5], part)


def test_windows_of_one_size_are_put_together_as_if_there_were_no_seams(files, image):
    network, free = network_of(files["fixed"], window_px=24), network_of(files["onnx"])
    for shown, margin in ((image, 2), (image[..., :24, :24], 2), (image[..., :9, :30], 2)):
        for one, other in zip(maps(network, shown, margin), maps(free, shown, margin), strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


class Wrong(Tiny):
    """Answers what no card can mean."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, image):
        return self.change(super().forward(image))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: {**m, "tp": m["tp"][:, :1]}, r"`tp` has the shape \(1, 1, 16, 16\) .* expected"),
        (
            lambda m: {**m, "np": torch.cat([m["np"]] * 2, 2)},
            r"`np` has the shape \(1, 1, 32, 16\)",
        ),
        (lambda m: {**m, "hv": m["hv"] * float("nan")}, "`hv` holds what is not a number"),
        (lambda m: {**m, "np": 3 * m["np"]}, "expected probabilities of 0 to 1; .* --logits"),
        (lambda m: {**m, "tp": m["tp"] - 1}, "`tp` holds -.* expected probabilities of 0 to 1"),
    ],
)
def test_an_answer_that_cannot_be_true_is_refused_by_name(tmp_path, change, message):
    network = network_of(write_pt2(tmp_path / "wrong.pt2", Wrong(change)))
    with torch.inference_mode(), pytest.raises(CheckpointError, match=message) as caught:
        network(torch.rand(1, 3, 16, 16))
    assert "wrong.pt2: its output" in str(caught.value)


def test_outputs_and_windows_that_the_card_does_not_know_are_refused(files):
    with pytest.raises(CheckpointError, match="has no output 'nuclei'; expected one of np, hv, tp"):
        network_of(files["onnx"], np="nuclei")
    with pytest.raises(CheckpointError, match="takes windows of 24 px, but its card says free"):
        network_of(files["fixed"])
    with pytest.raises(CheckpointError, match="takes windows of free px, but its card says 32"):
        network_of(files["onnx"], window_px=32)


def test_outputs_may_be_numbered(files, image):
    network = network_of(files["onnx"], np="0", hv="1", tp="2")
    for one, other in zip(maps(network, image), maps(network_of(files["pt2"]), image), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
