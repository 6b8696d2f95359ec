"""The 3-D convolution over clips equals conv3d, with fewer multiplications for clips of two."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from nowcast.models.cells.clip_conv import ClipConv


def case(length, kernel=(3, 5, 5), dtype=torch.float64):
    torch.manual_seed(0)
    conv = ClipConv(3, 4, kernel).to(dtype)
    return conv, torch.randn(2, 3, length, 6, 7, dtype=dtype)


def clips(x):
    return (x.shape[0], *x.shape[2:])


@pytest.mark.parametrize("kernel", [(3, 5, 5), (1, 3, 3), (5, 3, 1)])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_values_and_gradients_equal_conv3d(length, kernel):
    conv, x = case(length, kernel)
    x.requires_grad_()
    found = conv(x, conv.prepare(clips(x)))
    plain = F.conv3d(x, conv.weight, conv.bias, padding=tuple(k // 2 for k in kernel))
    torch.testing.assert_close(found, plain, atol=1e-12, rtol=0)
    pull = torch.randn_like(plain)
    given = (x, conv.weight, conv.bias)
    for one, other in zip(
        torch.autograd.grad(found, given, pull), torch.autograd.grad(plain, given, pull), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=0)


def test_packed_weights_give_the_same():
    conv, x = case(2, dtype=torch.float32)
    with torch.no_grad():
        ready = conv.prepare(clips(x))
        found = conv(x, ready)
    plain = F.conv3d(x, conv.weight, conv.bias, padding=(1, 2, 2))
    torch.testing.assert_close(found, plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize("grad", [False, True])
def test_bfloat16_stays_near(grad):
    conv, x = case(2, dtype=torch.float32)
    plain = F.conv3d(x, conv.weight, conv.bias, padding=(1, 2, 2))
    with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype=torch.bfloat16):
        found = conv(x, conv.prepare(clips(x)))
    assert found.dtype == torch.bfloat16
    assert (found.float() - plain).abs().max() < 0.03 * plain.abs().max()


def test_two_frames_take_three_convolutions_where_conv3d_takes_six_taps():
    conv, x = case(2)
    with FlopCounterMode(display=False) as counter:
        conv(x, conv.prepare(clips(x)))
    per_tap = 2 * 2 * 3 * 4 * 25 * 6 * 7
    assert counter.get_total_flops() == 3 * per_tap


def test_kernels_made_ready_follow_the_weights():
    conv, x = case(2)
    with torch.no_grad():
        before = conv(x, conv.prepare(clips(x)))
        conv.weight.mul_(2)
        conv.bias.mul_(2)
        torch.testing.assert_close(conv(x, conv.prepare(clips(x))), 2 * before)
