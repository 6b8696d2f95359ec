"""Convolutions by tiles against plain ones, and where they are chosen."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nowcast.models.catalog import build_model
from nowcast.models.cells import clip_conv
from nowcast.models.cpu import astm_tiles, packed
from nowcast.models.cpu.astm_tiles import TiledASTMCell, TiledState
from nowcast.models.cpu.fast import fast
from nowcast.models.cpu.forecast_tiles import convolve_tiles, fits, pays, tile_kernel
from nowcast.models.cpu.packed import PackedConvolution, reads_as_it_lies

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def narrow(monkeypatch):
    """A CPU on which tiles are chosen, whatever this one is."""
    for module in (packed, astm_tiles, clip_conv):
        monkeypatch.setattr(module, "multiplications_take_the_time", lambda: True)


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("shape", [(1, 3, 2, 2), (2, 5, 9, 11), (3, 1, 16, 8), (1, 2, 40, 30), (1, 2, 1, 70)])
def test_it_is_a_convolution(taps, shape):
    torch.manual_seed(0)
    weight, bias = torch.randn(7, shape[1], taps, taps).double(), torch.randn(7).double()
    x = torch.randn(shape).double()
    for given in (None, bias):
        expected = F.conv2d(x, weight, given, padding=taps // 2)
        (found,) = convolve_tiles([x], [(0, tile_kernel(weight, given))])
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)  # the matrices are those of float32


def test_two_convolutions_read_parts_of_the_channels():
    torch.manual_seed(0)
    maps = [torch.randn(2, channels, 7, 10).double() for channels in (2, 3, 4)]
    first, second = torch.randn(6, 5, 3, 3).double(), torch.randn(8, 7, 3, 3).double()
    one, other = convolve_tiles(maps, [(0, tile_kernel(first)), (2, tile_kernel(second))])
    torch.testing.assert_close(one, F.conv2d(torch.cat(maps[:2], 1), first, padding=1), atol=1e-5, rtol=0)
    torch.testing.assert_close(other, F.conv2d(torch.cat(maps[1:], 1), second, padding=1), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("taps", "most"), [(3, 6.0), (5, 3.0)])
def test_rounding_stays_near_that_of_the_plain_sum(taps, most):
    torch.manual_seed(0)
    weight, x = torch.randn(64, 96, taps, taps) / (10 * taps), torch.rand(1, 96, 20, 24)
    truth = F.conv2d(x.double(), weight.double(), padding=taps // 2)
    plain = (F.conv2d(x, weight, padding=taps // 2) - truth).square().mean().sqrt()
    (found,) = convolve_tiles([x], [(0, tile_kernel(weight))])
    assert (found - truth).square().mean().sqrt() < most * plain


@pytest.mark.parametrize(
    ("channels", "outputs", "taps", "size", "expected"),
    [
        (128, 256, 5, (16, 16), True),
        (128, 64, 5, (16, 16), True),
        (96, 192, 3, (60, 78), True),
        (128, 256, 5, (1, 16), False),
        (128, 128, 3, (5, 5), False),
        (96, 48, 3, (60, 78), False),
        (16, 16, 3, (60, 78), False),
        (16, 64, 5, (16, 16), False),
    ],
)
def test_only_wide_convolutions_on_maps_of_whole_tiles_pay(channels, outputs, taps, size, expected):
    assert pays(torch.ones(outputs, channels, taps, taps), *size) is expected


def test_filters_that_fit():
    assert fits(torch.ones(1, 1, 5, 5))
    assert not fits(torch.ones(1, 1, 3, 5))
    assert not fits(torch.ones(1, 1, 7, 7))
    assert not fits(torch.ones(1, 1, 3, 3).bfloat16())


@pytest.mark.parametrize(
    ("how", "by_tiles"),
    [
        ({}, True),
        ({"stride": 2}, False),
        ({"dilation": 2, "padding": 2}, False),
        ({"groups": 2}, False),
        ({"padding": 0}, False),
        ({"bias": False}, True),
    ],
)
def test_a_packed_convolution_chooses_by_its_form(narrow, how, by_tiles):
    torch.manual_seed(0)
    conv = nn.Conv2d(128, 128, 3, **{"padding": 1, **how})
    made, x = PackedConvolution(copy.deepcopy(conv)), torch.rand(1, 128, 8, 7)
    assert made.by_tiles(x) is by_tiles
    with torch.no_grad():
        torch.testing.assert_close(made(x), conv(x), atol=1e-5, rtol=0)
        torch.testing.assert_close(copy.deepcopy(made)(x), conv(x), atol=1e-5, rtol=0)


def test_elsewhere_none_is_chosen(monkeypatch):
    monkeypatch.setattr(packed, "multiplications_take_the_time", lambda: False)
    assert not PackedConvolution(nn.Conv2d(128, 128, 3, padding=1)).by_tiles(torch.ones(1, 128, 8, 8))


@pytest.mark.parametrize("taps", [3, 5])
def test_a_network_of_tiles_forecasts_the_same(narrow, taps):
    torch.manual_seed(0)
    settings = {"hidden": [96, 96], "filter_size": taps, "patch": 2}
    model, past = build_model("motionrnn_predrnn", settings, size=(16, 16)).eval(), torch.rand(1, 3, 1, 16, 16)
    quick = fast(model)
    with torch.no_grad():
        assert (model(past, 3) - quick(past, 3)).abs().max() <= 1e-5
    assert any(part._kernel for part in quick.modules() if isinstance(part, PackedConvolution))


@pytest.mark.parametrize(
    ("side", "tiled", "settings"),
    [
        (16, True, {"filter_size": 5}),
        (16, True, {"filter_size": 5, "tau": 1}),
        (32, True, {"filter_size": 3, "embed": 8}),
        (4, False, {"filter_size": 3}),
    ],
)
def test_astm_of_tiles_forecasts_the_same(narrow, side, tiled, settings):
    torch.manual_seed(0)
    model = build_model(
        "astm", {"hidden": [32, 32], "patch": 2, "tau": 3, **settings}, size=(side, side)
    ).eval()
    for name, weights in model.named_parameters():
        if name.endswith("bias"):
            nn.init.uniform_(weights, -0.5, 0.5)
    past, quick = torch.rand(2, 4, 1, side, side), fast(model)
    cells = [part for part in quick.modules() if isinstance(part, TiledASTMCell)]
    assert len(cells) == 2
    with torch.no_grad():
        assert (model(past, 3) - quick(past, 3)).abs().max() <= 1e-5
        state = cells[1].initial_state(torch.rand(2, 32, 2, side // 2, side // 2))
    assert isinstance(state, TiledState) is tiled


@pytest.mark.parametrize(
    "settings", [{"layer_norm": True}, {"clip_frames": 3}, {"frame_taps": 1}, {"filter_size": 7}]
)
def test_other_astms_have_no_tiles(narrow, settings):
    torch.manual_seed(0)
    model = build_model(
        "astm", {"hidden": [8, 8], "patch": 2, "filter_size": 3, **settings}, size=(8, 8)
    ).eval()
    past, quick = torch.rand(1, 4, 1, 8, 8), fast(model)
    assert not any(isinstance(part, TiledASTMCell) for part in quick.modules())
    with torch.no_grad():
        assert (model(past, 2) - quick(past, 2)).abs().max() <= 1e-5


@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution_of_clips_by_tiles(narrow, bias):
    torch.manual_seed(0)
    conv, clip = clip_conv.ClipConv(64, 64, (3, 5, 5), bias), torch.rand(2, 64, 2, 7, 10)  # an odd side, too
    expected = F.conv3d(clip, conv.weight, conv.bias, padding=conv.padding)
    with torch.no_grad():
        kernels = conv.prepare((2, 2, 8, 10))
        assert kernels.tiles is not None
        torch.testing.assert_close(conv(clip, kernels), expected, atol=1e-5, rtol=0)
        assert conv.prepare((2, 2, 1, 1)).tiles is None  # most of each tile would lie outside
    assert conv.prepare((2, 2, 8, 10)).tiles is None  # for training


@pytest.mark.parametrize("make", [nn.Conv2d, nn.Conv3d])
def test_layers_of_one_tap_and_few_outputs_read_maps_as_they_lie(narrow, make):
    torch.manual_seed(0)
    conv = make(12, 5, 1)
    x = torch.rand(2, 12, *[4] * (conv.weight.dim() - 2))
    assert reads_as_it_lies(conv)
    assert not reads_as_it_lies(make(5, 12, 1))
    assert not reads_as_it_lies(make(12, 5, 1, stride=2))
    assert not reads_as_it_lies(make(12, 5, 3, padding=1))
    with torch.no_grad():
        torch.testing.assert_close(PackedConvolution(conv)(x), conv(x))
        conv.bias = None
        torch.testing.assert_close(PackedConvolution(conv)(x), conv(x))


CHOICE = """
import torch
from torch import nn
from nowcast.models.cpu.packed import PackedConvolution, reads_as_it_lies
from nowcast.models.cpu.astm_tiles import TiledASTMCell, TiledState
conv = nn.Conv2d(128, 128, 5, padding=2).requires_grad_(False)
made, x = PackedConvolution(conv), torch.rand(1, 128, 8, 8)
assert (made(x) - conv(x)).abs().max() < 1e-5
print(torch.backends.cpu.get_cpu_capability(), made.by_tiles(x))
"""


@pytest.mark.slow
@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="not an x86 CPU with AVX2")
@pytest.mark.parametrize("only_avx2", [False, True])
def test_the_instructions_of_the_cpu_choose(only_avx2):
    only = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"} if only_avx2 else {}
    env = {**os.environ, **only, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", CHOICE], capture_output=True, text=True, check=True, env=env)
    instructions, by_tiles = done.stdout.split()
    assert instructions == "AVX2" or not only_avx2
    assert by_tiles == str(instructions == "AVX2")
