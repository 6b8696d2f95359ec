"""ASTM beside the plain way of computing it: time and memory, interleaved in one run.

    OMP_NUM_THREADS=2 python scripts/benchmark_astm.py [--rounds 5] [--batch 2] [--small]

Plain means: one conv3d a gate convolution in PyTorch's own layout, the history a list of maps stacked and
put through a softmax at each step. Both ways take the same weights and are checked against each other
before they are timed. CPU time of the process is taken, alternating, and medians are divided; E3D-LSTM
at the same size stands beside where the catalog has it. The second table is the attention alone.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from interleaved import Job, interleaved
from torch import Tensor, nn

from nowcast.models.base import SequenceModel
from nowcast.models.catalog import MODELS, build_model
from nowcast.models.cells.astm import ASTMCell, GateConv
from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay
from nowcast.models.cells.history import attend, attend_plainly
from nowcast.models.cpu.peak_memory import peak_forecast_mb

TAUS = (1, 5, 10, 20)


class PlainState(NamedTuple):
    """Hidden state and the list of old memories."""

    hidden: Tensor
    history: tuple[Tensor, ...]


class PlainCell(RecurrentCell):
    """An `ASTMCell` computed as its equations stand."""

    def __init__(self, cell: ASTMCell) -> None:
        super().__init__()
        self.cell = cell
        self.in_channels, self.hidden_channels = cell.in_channels, cell.hidden_channels
        self.clip_frames = cell.clip_frames

    def initial_state(self, x: Tensor) -> PlainState:
        """Zeros."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[2:])
        return PlainState(zeros, (zeros,))

    def forward(self, x: Tensor, state: PlainState, relay: Relay) -> CellOutput:
        """Take one time step."""
        cell, memory = self.cell, relay.memory
        if memory is None:
            memory = torch.zeros_like(state.hidden)
        xi, xf, xg, yi, yf, yg, xo = _gate(cell.conv_x, x.contiguous()).chunk(7, 1)
        hi, hf, hg, ho = _gate(cell.conv_h, state.hidden).chunk(4, 1)
        mi, mf, mg = _gate(cell.conv_m, memory).chunk(3, 1)
        forget = torch.sigmoid(xf + hf + 1)
        kept = forget * attend_plainly(forget, state.history)
        temporal = torch.sigmoid(xi + hi) * torch.tanh(xg + hg) + kept
        spatial = torch.sigmoid(yf + mf + 1) * memory + torch.sigmoid(yi + mi) * torch.tanh(yg + mg)
        both = torch.cat((temporal, spatial), 1)
        gate = torch.sigmoid(xo + ho + _gate(cell.conv_o, both))
        hidden = gate * torch.tanh(cell.conv_last(both))
        history = (*state.history, temporal)[-cell.tau :]
        return CellOutput(hidden, PlainState(hidden, history), Relay(memory=spatial), gate)


def _gate(part: GateConv, clip: Tensor) -> Tensor:
    y = F.conv3d(clip, part.conv.weight, part.conv.bias, padding=part.conv.padding)
    return y if part.norm is None else part.norm(y)


def plainly(network: SequenceModel) -> SequenceModel:
    """The same network, with the same weights, computed the plain way."""
    twin = copy.deepcopy(network)
    assert isinstance(twin.cells, nn.ModuleList)
    for i, cell in enumerate(twin.cells):
        assert isinstance(cell, ASTMCell)
        twin.cells[i] = PlainCell(cell)
    return twin


def main() -> int:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="times each way is timed (default 5)")
    parser.add_argument("--batch", type=int, default=2, help="clips in a training step (default 2)")
    parser.add_argument("--small", action="store_true", help="2 layers of 8 on 16 x 16, to try the script")
    args = parser.parse_args()
    wide, side = ([8, 8], 16) if args.small else ([64] * 4, 64)
    print(f"{len(wide)} layers of {wide[0]}, {side} x {side} x 1, 10 -> 10, {torch.get_num_threads()} threads")
    _networks({"hidden": wide, "layer_norm": True}, side, args.batch, args.rounds)
    _attention(wide[0], side // 4, args.rounds * 4)
    _tau_memory({"hidden": wide, "layer_norm": True}, side)
    return 0


def _networks(settings: dict[str, Any], side: int, batch: int, rounds: int) -> None:
    torch.manual_seed(0)
    network = build_model("astm", settings, 1, (side, side)).eval()
    ways: dict[str, SequenceModel] = {"plain": plainly(network), "astm": network}
    if "e3d_lstm" in MODELS:
        same = {"hidden": settings["hidden"]}
        ways["e3d_lstm"] = build_model("e3d_lstm", same, 1, (side, side)).eval()
    frames = torch.rand(batch, 20, 1, side, side)
    with torch.inference_mode():
        apart = (network(frames[:, :10], 10) - ways["plain"](frames[:, :10], 10)).abs().max().item()
    assert apart < 1e-4, f"the two ways differ by {apart}"
    print(f"largest difference of the two ways in float32: {apart:.1e}\n")
    print("| work | plain, CPU s | ASTM, CPU s | ratio | E3D-LSTM, CPU s |\n|---|---|---|---|---|")
    reference = 0.0
    for name, work in (("forecast, B=1", _forecast), (f"training step, B={batch}", _train)):
        for kind, context in (("float32", contextlib.nullcontext), ("bfloat16", _bf16)):
            with context():
                jobs = {way: _job(work, net, frames) for way, net in ways.items()}
                times = _medians(jobs, rounds)
            if kind == "float32":
                reference = times["plain"]
            note = "" if kind == "float32" else f", against plain float32 {reference / times['astm']:.2f}"
            rival = f"{times['e3d_lstm']:.2f}" if "e3d_lstm" in times else "not there"
            print(
                f"| {name}, {kind} | {times['plain']:.3f} | {times['astm']:.3f} | "
                f"{times['plain'] / times['astm']:.2f}{note} | {rival} |",
                flush=True,
            )


def _job(work: Callable[[SequenceModel, Tensor], None], network: SequenceModel, frames: Tensor) -> Job:
    return lambda: work(network, frames)


def _forecast(network: SequenceModel, frames: Tensor) -> None:
    with torch.inference_mode():
        network(frames[:1, :10], 10)


def _train(network: SequenceModel, frames: Tensor) -> None:
    network.zero_grad()
    (network.rollout(frames[:, :10], 10) - frames[:, 1:]).square().mean().backward()  # type: ignore[no-untyped-call]


def _bf16() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


def _medians(jobs: dict[str, Job], rounds: int) -> dict[str, float]:
    return {name: median(taken) for name, taken in interleaved(jobs, rounds, cpu_time=True).items()}


def _attention(channels: int, side: int, rounds: int) -> None:
    """The gate alone on full histories, forward and with its backward pass."""
    print(
        "\n| tau | forecast ms: plain, fused, ratio | training ms: plain, fused, ratio | "
        "kept for backward, maps: plain, fused |\n|---|---|---|---|"
    )
    for tau in TAUS:
        maps = [torch.randn(1, channels, 2, side, side) for _ in range(tau)]
        gate = torch.rand_like(maps[0])
        learning = [m.clone().requires_grad_() for m in (gate, *maps)]
        cells: list[str] = [str(tau)]
        for grad in (False, True):
            given = learning if grad else [gate, *maps]
            jobs = {
                name: _attention_job(way, given, grad)
                for name, way in (("plain", attend_plainly), ("fused", attend))
            }
            times = _medians(jobs, rounds)
            plain, fused = times["plain"] / 20 * 1e3, times["fused"] / 20 * 1e3
            cells.append(f"{plain:.3f}, {fused:.3f}, {plain / max(fused, 1e-9):.2f}")
        kept = [_maps_kept(way, learning) for way in (attend_plainly, attend)]
        cells.append(f"{kept[0]:.0f}, {kept[1]:.0f}")
        print("| " + " | ".join(cells) + " |", flush=True)


def _attention_job(way: Callable[..., Tensor], given: list[Tensor], grad: bool) -> Job:
    def job() -> None:
        with torch.set_grad_enabled(grad):
            for _ in range(20):
                found = way(given[0], tuple(given[1:]))
                if grad:
                    found.sum().backward()  # type: ignore[no-untyped-call]

    return job


def _maps_kept(way: Callable[..., Tensor], given: list[Tensor]) -> float:
    """Count the maps that autograd keeps beside the gate and the memories, which are there anyway."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        found = way(given[0], tuple(given[1:]))
    there = {tensor.untyped_storage().data_ptr() for tensor in given}
    kept = sum(size for place, size in storages.items() if place not in there)
    return kept / found.untyped_storage().nbytes()


def _tau_memory(settings: dict[str, Any], side: int) -> None:
    """Memory of whole forecasts, long enough that a history of 20 fills up."""
    print("\n| tau | forecast memory above the weights, MB, 10 -> 20 |\n|---|---|")
    for tau in TAUS:
        peak = peak_forecast_mb("astm", {**settings, "tau": tau}, 10, 20, (side, side))
        print(f"| {tau} | {peak:.0f} |", flush=True)
    paper = peak_forecast_mb("astm", settings, 10, 10, (side, side))
    print(f"\n10 -> 10, tau 5: {paper:.0f} MB above the weights (the paper's Table 1: 225 MB)")


if __name__ == "__main__":
    raise SystemExit(main())
