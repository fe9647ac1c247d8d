"""The way up of the authors' networks."""

import copy

import torch

from nucwsi.models.dense_decoder import DenseBlock, Upsample, decoder_level, head


def test_upsampling_repeats_each_pixel():
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert Upsample()(image).tolist() == [[expected]]


def test_each_unit_adds_32_channels_and_keeps_those_before():
    block = DenseBlock(8, 2).eval()
    block.blk_bna = torch.nn.Identity()
    features = torch.rand(1, 8, 6, 6)
    with torch.inference_mode():
        dense = block(features)
    assert dense.shape == (1, 8 + 2 * 32, 6, 6)
    torch.testing.assert_close(dense[:, :8], features, atol=0, rtol=0)
    assert decoder_level(4, 8, 2)(torch.rand(1, 4, 6, 6)).shape == (1, 72, 6, 6)
    assert head(5)(torch.rand(2, 64, 6, 6)).shape == (2, 5, 6, 6)


def test_folding_a_block_changes_nothing_but_rounding():
    torch.manual_seed(2)
    block = DenseBlock(8, 3).eval()
    for unit in block.units:
        unit[3].running_mean.uniform_(-0.2, 0.2)
        unit[3].running_var.uniform_(0.5, 2)
    folded = copy.deepcopy(block)
    folded.fold()
    assert isinstance(folded.units[0][3], torch.nn.Identity)
    features = torch.rand(1, 8, 6, 6)
    with torch.inference_mode():
        torch.testing.assert_close(folded(features), block(features), atol=1e-5, rtol=1e-4)
