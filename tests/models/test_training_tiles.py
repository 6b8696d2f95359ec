"""Convolutions in tiles train as plain ones do."""

import pytest
import torch
import torch.nn.functional as F

from nowcast.models.catalog import build_model
from nowcast.models.cpu import training_tiles
from nowcast.models.cpu.onednn import packs
from nowcast.models.cpu.six_by_six import matrices
from nowcast.models.cpu.training_tiles import TiledConvolution, trains_tiled
from scripts.naive_networks import naive

pytestmark = pytest.mark.skipif(
    not packs(torch.zeros(1, 1, 1, 1)), reason="oneDNN's packed weights are not there on this machine"
)


def _relative(found, expected):
    return float((found.detach().double() - expected).norm() / expected.norm())


def _case(side, batch, rows, columns):
    torch.manual_seed(side)
    maps = [torch.randn(batch, wide, rows, columns).tanh().requires_grad_() for wide in (16, 32)]
    weight = (torch.randn(32, 48, side, side) / side**2).requires_grad_()
    return maps, weight, torch.randn(batch, 32, rows, columns)


def _plain(maps, weight):
    return F.conv2d(torch.cat(maps, dim=1), weight, padding=weight.shape[-1] // 2)


@pytest.mark.parametrize(("side", "batch", "rows", "columns"), [(3, 3, 8, 12), (3, 1, 7, 10), (5, 2, 6, 5)])
def test_outputs_and_gradients_are_those_of_the_plain_convolution(side, batch, rows, columns):
    maps, weight, out = _case(side, batch, rows, columns)
    exact = [v.detach().double().requires_grad_() for v in (*maps, weight)]
    convolve = TiledConvolution(weight, maps[0])
    found, expected = convolve(*maps), _plain(exact[:2], exact[2])
    assert _relative(found, expected.detach()) < 3e-6
    for once, truth in zip(
        torch.autograd.grad(found, (*maps, weight), out),
        torch.autograd.grad(expected, exact, out.double()),
        strict=True,
    ):
        assert _relative(once, truth) < 3e-6


def test_gradients_of_weights_are_summed_over_the_steps_of_each_backward_pass():
    maps, weight, out = _case(3, 2, 8, 8)
    convolve = TiledConvolution(weight, maps[0])
    found = convolve(*maps) + convolve(maps[0], maps[1].flip(2)) + convolve(*maps).detach()
    exact = [v.detach().double() for v in maps]
    truth = weight.detach().double().requires_grad_()
    expected = _plain(exact, truth) + _plain([exact[0], exact[1].flip(2)], truth)
    (total,) = torch.autograd.grad(expected, truth, out.double())
    for _ in range(2):
        (once,) = torch.autograd.grad(found, weight, out, retain_graph=True)
        assert _relative(once, total) < 3e-6
    torch.autograd.grad(found, maps[0], out, retain_graph=True)
    found.backward(out)
    assert _relative(weight.grad, total) < 3e-6


def test_what_is_kept_for_all_calls_does_not_take_after_the_first_of_them():
    matrices.cache_clear()
    training_tiles._kept.__dict__.clear()
    with torch.inference_mode(), torch.device("meta"):
        matrices(3)
    maps, weight, out = _case(3, 1, 8, 8)
    torch.set_default_dtype(torch.float64)
    try:
        found = TiledConvolution(weight, maps[0])(*maps)
        (once,) = torch.autograd.grad(found, weight, out)
    finally:
        torch.set_default_dtype(torch.float32)
    (expected,) = torch.autograd.grad(_plain(maps, weight), weight, out)
    assert _relative(once, expected.double()) < 3e-6


@pytest.mark.parametrize("side", [3, 5])
def test_a_motionrnn_trains_the_same(side, monkeypatch):
    settings = {"hidden": [16, 16], "filter_size": side, "patch": 4}
    torch.manual_seed(0)
    model = build_model("motionrnn_predrnn", settings, 1, (32, 32)).train()
    frames = torch.rand(2, 5, 1, 32, 32)
    found = {}
    used = []
    whole = TiledConvolution.__call__
    monkeypatch.setattr(
        TiledConvolution, "__call__", lambda self, *maps: (used.append(1), whole(self, *maps))[1]
    )
    for instructions in ("AVX512", "AVX2"):
        monkeypatch.setattr(training_tiles, "vector_instructions", lambda known=instructions: known)
        model.zero_grad()
        loss = (model(frames[:, :2], 3) - frames[:, 2:]).square().mean()
        loss.backward()
        found[instructions] = [loss.detach(), *(p.grad.clone() for p in model.parameters())]
        assert len(used) == (16 if instructions == "AVX2" else 0)  # two a layer and step
    size = torch.cat([v.flatten() for v in found["AVX512"][1:]]).norm()
    for plain, ours in zip(found["AVX512"], found["AVX2"], strict=True):
        assert (plain - ours).norm() <= 1e-5 * plain.norm() + 1e-7 * size


def test_the_naive_network_trains_gate_by_gate(monkeypatch):
    monkeypatch.setattr(training_tiles, "vector_instructions", lambda: "AVX2")
    settings = {"hidden": [16, 16], "filter_size": 3, "patch": 4}
    model = build_model("motionrnn_predrnn", settings, 1, (16, 16))
    past = torch.rand(1, 2, 1, 16, 16)
    with torch.no_grad():
        expected = model(past, 2)
    torch.testing.assert_close(naive(model)(past, 2), expected, rtol=0, atol=1e-5)


def test_other_work_is_left_to_plain_convolutions(monkeypatch):
    maps, weight, _ = _case(3, 1, 8, 8)
    monkeypatch.setattr(training_tiles, "vector_instructions", lambda: "AVX2")
    assert trains_tiled(maps[0], weight)
    assert not trains_tiled(maps[0].double(), weight)
    assert not trains_tiled(maps[0], weight.detach())
    assert not trains_tiled(maps[0], weight[:, :20])
    assert not trains_tiled(maps[0], weight[..., :1, :1])
    assert not trains_tiled(maps[0].to("meta"), weight)
    with torch.no_grad():
        assert not trains_tiled(maps[0], weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert not trains_tiled(maps[0], weight)
    monkeypatch.setattr(training_tiles, "vector_instructions", lambda: "AVX512")
    assert not trains_tiled(maps[0], weight)
