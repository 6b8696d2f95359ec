"""What the machine computes fast: both answers on any machine, and a torch without its private calls."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nowcast.models.cpu import capability, onednn
from nowcast.models.cpu.fast import fast
from nowcast.models.cpu.packed import PackedConvolution
from tests.fakes.tiny_models import PAST, frames, tiny_model

ONLY_AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def without(monkeypatch):
    """Take calls away from torch, by the name `onednn` knows them under."""
    found = onednn._private

    def take(*names):
        onednn._works.cache_clear()
        monkeypatch.setattr(onednn, "_private", lambda name: None if name in names else found(name))

    yield take
    onednn._works.cache_clear()


@pytest.mark.parametrize("call", ["_C._nn.mkldnn_reorder_conv2d_weight", "ops.mkldnn._convolution_pointwise"])
@pytest.mark.parametrize("name", ["convlstm", "lmc_memory", "astm", "motionrnn_predrnn"])
def test_without_the_private_calls_a_network_computes_the_same(without, call, name):
    model, past = tiny_model(name).eval(), frames(name, 2, PAST)
    with torch.no_grad():
        expected = model(past, 3)
        packed = fast(model)
        without(call, call.replace("conv2d", "conv3d"))
        plain = fast(model)
        assert (plain(past, 3) - expected).abs().max() < 1e-5
        assert (model(past, 3) - expected).abs().max() < 1e-5
    assert not onednn.packs(torch.ones(1, 1, 1, 1))
    assert not any(isinstance(part, PackedConvolution) for part in plain.modules())
    assert name == "lmc_memory" or any(isinstance(part, PackedConvolution) for part in packed.modules())


def test_the_calls_are_those_of_this_torch():
    """Else the fallback would be taken everywhere without a word."""
    assert onednn.packs(torch.ones(1, 1, 1, 1))
    assert onednn.packs(torch.ones(1, 1, 1, 1, 1))
    for name in ("ops.mkldnn._is_mkldnn_bf16_supported", "cpu._is_avx512_bf16_supported"):
        assert onednn._private(name) is not None
    assert onednn._private("ops.mkldnn._no_such_call") is None
    assert onednn._private("no.such.module") is None


@pytest.mark.parametrize(
    ("onednn_says", "instructions", "machine", "native"),
    [
        (True, True, "x86_64", True),
        (False, True, "x86_64", False),
        (None, True, "x86_64", False),
        (True, False, "x86_64", False),
        (True, False, "AMD64", False),
        (True, None, "x86_64", True),
        (True, False, "aarch64", True),
        (False, False, "aarch64", False),
    ],
)
def test_native_is_what_the_cpu_multiplies_itself(monkeypatch, onednn_says, instructions, machine, native):
    answers = {
        "ops.mkldnn._is_mkldnn_bf16_supported": onednn_says,
        "cpu._is_avx512_bf16_supported": instructions,
    }
    calls = {name: lambda said=said: said for name, said in answers.items() if said is not None}
    monkeypatch.setattr(onednn, "_private", calls.get)
    monkeypatch.setattr(onednn.platform, "machine", lambda: machine)
    assert onednn.multiplies_bfloat16() is native


def test_what_is_computed_otherwise_than_asked_is_one_line(monkeypatch, caplog):
    monkeypatch.setattr(capability, "native_bfloat16", lambda device: device == "cuda")
    with caplog.at_level(logging.WARNING):
        assert capability.bfloat16_or_say("training.precision=auto", "cuda")
        assert not capability.bfloat16_or_say("training.precision=auto")
    assert caplog.messages == ["training.precision=auto: this CPU has no native bfloat16, computing in float32"]


AVX2 = """
import torch
from nowcast.models.cpu import capability, onednn
from nowcast.models.cpu.fast import fast
from nowcast.models.cpu.packed import PackedConvolution
from tests.fakes.tiny_models import PAST, frames, tiny_model
assert not capability.native_bfloat16()
assert onednn.packs(torch.ones(1, 1, 1, 1)) and not onednn.packs(torch.ones(1, 1, 1, 1).bfloat16())
model, past = tiny_model("motionrnn_predrnn").eval(), frames("motionrnn_predrnn", 2, PAST)
with torch.no_grad():
    expected = model(past, 3)
    packed = fast(model)
    assert sum(isinstance(part, PackedConvolution) for part in packed.modules()) > 4
    assert (packed(past, 3) - expected).abs().max() < 1e-5
    assert (fast(model, torch.bfloat16)(past, 3) - expected).abs().max() < 0.03
"""


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="not an x86 CPU with AVX2")
def test_a_cpu_with_avx2_alone_packs_float32_and_computes_bfloat16_unpacked():
    done = subprocess.run(
        [sys.executable, "-c", AVX2],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **ONLY_AVX2, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
