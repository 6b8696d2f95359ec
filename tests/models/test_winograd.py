"""Winograd's convolution against the plain one."""

import pytest
import torch
import torch.nn.functional as F

from nowcast.models.cpu.winograd import WinogradConvolution


@pytest.mark.parametrize("shape", [(1, 3, 2, 2), (2, 5, 4, 10), (3, 1, 16, 8)])
def test_it_is_a_convolution(shape):
    torch.manual_seed(0)
    weight, bias = torch.randn(7, shape[1], 3, 3).double(), torch.randn(7).double()
    x = torch.randn(shape).double()
    expected = F.conv2d(x, weight, bias, padding=1)
    torch.testing.assert_close(WinogradConvolution(weight, bias)(x), expected, atol=1e-12, rtol=0)


def test_a_workspace_serves_call_after_call():
    torch.manual_seed(0)
    conv = WinogradConvolution(torch.randn(4, 3, 3, 3).double(), torch.randn(4).double())
    space = conv.workspace(1, 4, 6)
    for _ in range(2):
        x = torch.randn(1, 3, 4, 6).double()
        space.inside.copy_(x.permute(0, 2, 3, 1))
        torch.testing.assert_close(conv.convolve(space).permute(0, 3, 1, 2), conv(x))
    assert space.padded[:, 0].abs().max() == space.padded[:, :, -1].abs().max() == 0


def test_odd_maps_are_refused():
    conv = WinogradConvolution(torch.randn(4, 3, 3, 3), torch.randn(4))
    with pytest.raises(ValueError, match="7 x 8"):
        conv(torch.randn(1, 3, 7, 8))


def test_in_single_precision_it_errs_no_more_than_the_plain_sum():
    torch.manual_seed(0)
    weight, bias, x = torch.randn(32, 64, 3, 3) / 24, torch.randn(32), torch.rand(1, 64, 16, 16)
    truth = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    assert (WinogradConvolution(weight, bias)(x) - truth).abs().max() < 2e-6
