"""LMC-Memory beside the plain way of computing it: forecast, training iteration, memory, in one run.

    OMP_NUM_THREADS=2 python scripts/benchmark_lmc.py [--rounds 7] [--batch 4] [--cpu-time] [--small]

Plain means as the published code does it: frames encoded one by one, the convolutions of input and hidden
map apart. All ways take the same weights, are checked against each other, and take turns in each round;
the tables give the median time and the median of the ratios within a round. Peak memory is that of a
process of its own. ``--device cuda`` times the forecast on a GPU.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import torch
from interleaved import Job, interleaved, peak_of, print_peak, times_faster
from torch import Tensor

from nowcast.models.base import ClipBatch
from nowcast.models.catalog import build_model
from nowcast.models.cpu.fast import fast
from nowcast.models.lmc.cell import LmcConvLSTM
from nowcast.models.lmc.motion import difference_frames
from nowcast.models.lmc.network import LmcMemory

SMALL = {"hidden": 16, "slot_width": 32, "slots": 10, "layers": 2}
WORKS = ("plain", "kept", "saved")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="times each way is timed (default 7)")
    parser.add_argument("--batch", type=int, default=4, help="clips of a training iteration (default 4)")
    parser.add_argument("--steps", type=int, default=30, help="frames forecast from 10 (default 30)")
    parser.add_argument("--side", type=int, default=64, help="rows and columns of a frame (default 64)")
    parser.add_argument("--cpu-time", action="store_true", help="CPU seconds instead of wall time")
    parser.add_argument("--no-training", action="store_true", help="time forecasts only")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--small", action="store_true", help="a tiny network, to try the script")
    parser.add_argument("--alone", choices=WORKS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        job = _iteration(args.alone, args)
        for _ in range(2):
            job()
        print_peak()
        return 0
    print(
        f"LMC-Memory 10 -> {args.steps}, {args.side} x {args.side}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}"
    )
    if args.device == "cuda":
        _gpu(args)
        return 0
    _forecasts(args)
    if not args.no_training:
        _training(args)
    return 0


def build(args: argparse.Namespace, **settings: Any) -> LmcMemory:
    """The published network (or the tiny one), the same weights every time."""
    torch.manual_seed(0)
    network = build_model("lmc_memory", {**(SMALL if args.small else {}), **settings})
    assert isinstance(network, LmcMemory)
    return network


def plain_forecast(network: LmcMemory, past: Tensor, steps: int, motion: Tensor | None = None) -> Tensor:
    """Forecast as the published code computes it; ``motion`` of a long clip addresses the memory instead."""
    assert network.attention is not None
    long = motion is not None
    recalled = network.recall(difference_frames(past) if motion is None else motion, long)
    states: list[tuple[Tensor, Tensor]] = []
    outputs: list[Tensor] = []
    for t in range(past.shape[1] + steps - 1):
        x = network.encoder(past[:, t] if t < past.shape[1] else outputs[-1])
        states = states or [(torch.zeros_like(x), torch.zeros_like(x))] * len(network.cells)
        for i, cell in enumerate(network.cells):
            assert isinstance(cell, LmcConvLSTM)
            hidden, memory = states[i]
            enter, new, forget, leave = (cell.conv_x(x) + cell.conv_h(hidden)).chunk(4, dim=1)
            memory = torch.sigmoid(forget) * memory + torch.sigmoid(enter) * torch.tanh(new)
            x = torch.sigmoid(leave) * torch.tanh(memory)
            states[i] = (x, memory)
        if t >= past.shape[1] - 1:
            weights = network.attention(states[-1][1], recalled.mean)
            outputs.append(network.decoder(torch.cat([x, weights * recalled.map], dim=1)))
    return torch.stack(outputs, dim=1)


def _forecasts(args: argparse.Namespace) -> None:
    network = build(args).forecast_only().eval()
    without = build(args, variant="none").eval()
    past = torch.rand(1, 10, 1, args.side, args.side)
    quick, half, light = fast(network), fast(network, torch.bfloat16), fast(without)
    with torch.no_grad():
        truth = plain_forecast(network, past, args.steps)
        for name, other in (("eager", network), ("float32", quick), ("bf16", half)):
            print(
                f"largest difference from plain, {name}: {(other(past, args.steps) - truth).abs().max():.1e}"
                f" (spread of the output {truth.std():.2f})"
            )

        def ours(net: Any) -> Job:
            return lambda: net(past, args.steps)

        jobs: dict[str, Job] = {
            "plain float32": lambda: plain_forecast(network, past, args.steps),
            "eager float32": ours(network),
            "float32": ours(quick),
            "bfloat16": ours(half),
            "float32, no memory": ours(light),
        }
        taken = interleaved(jobs, args.rounds, args.cpu_time)
    print("\n| forecast, B=1 | seconds | plain / this |\n|---|---|---|")
    for name, seconds in taken.items():
        print(f"| {name} | {median(seconds):.3f} | {times_faster(taken, 'plain float32', name):.2f} |")
    more = times_faster(taken, "float32", "float32, no memory")
    print(f"\nthe memory adds {100 * (more - 1):.0f} % to a forecast's time")


def _training(args: argparse.Namespace) -> None:
    jobs = {name: _iteration(name, args) for name in WORKS}
    taken = interleaved(jobs, args.rounds, args.cpu_time)
    options = ["--batch", str(args.batch), "--steps", str(args.steps), "--side", str(args.side)]
    options += ["--small"] if args.small else []
    peaks = {name: peak_of(__file__, "--alone", name, *options) for name in WORKS}
    print(
        f"\n| training iteration, both phases, B={args.batch} | seconds | plain / this | peak MB | of kept |"
        "\n|---|---|---|---|---|"
    )
    titles = {"plain": "plain", "kept": "ours", "saved": "ours, save_memory"}
    for name, seconds in taken.items():
        ratio = times_faster(taken, "plain", name)
        print(
            f"| {titles[name]} | {median(seconds):.2f} | {ratio:.2f} | {peaks[name]:.0f} | "
            f"{peaks[name] / peaks['kept']:.2f} |"
        )


def _iteration(name: str, args: argparse.Namespace) -> Job:
    network = build(args, save_memory=name == "saved").train()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-4)
    frames = torch.rand(args.batch, 10 + args.steps, 1, args.side, args.side)
    clip = ClipBatch(frames[:, :10], frames[:, 10:], torch.ones_like(frames, dtype=torch.bool), frames[:, :0])
    generator = torch.Generator().manual_seed(0)

    def step(prediction: Tensor) -> None:
        error = prediction - clip.future
        optimiser.zero_grad()
        (error.abs().mean() + error.square().mean()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    def plain() -> None:
        step(plain_forecast(network, clip.past, args.steps, difference_frames(frames[:, :30])))
        step(plain_forecast(network, clip.past, args.steps))

    def ours() -> None:
        for made in network.optimiser_steps(clip, None, generator):
            step(made.prediction)

    return plain if name == "plain" else ours


def _gpu(args: argparse.Namespace) -> None:
    network = build(args).forecast_only().eval().cuda()
    past = torch.rand(1, 10, 1, args.side, args.side, device="cuda")
    print("| forecast on the GPU, B=1 | ms |\n|---|---|")
    for name, dtype in (("float32", None), ("bfloat16", torch.bfloat16)):
        with torch.no_grad(), torch.autocast("cuda", dtype, enabled=dtype is not None, cache_enabled=False):
            print(f"| {name} | {_gpu_ms(lambda: network(past, args.steps), args.rounds):.1f} |")
            try:
                replay = _graph(lambda: network(past, args.steps))
            except RuntimeError as error:
                print(f"| {name}, one CUDA graph | none: {str(error).splitlines()[0]} |")
            else:
                print(f"| {name}, one CUDA graph | {_gpu_ms(replay, args.rounds):.1f} |")


def _graph(job: Job) -> Job:
    """Record all kernels of a forecast once, to be started together: launching them is most of its time."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            job()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        job()
    return graph.replay


def _gpu_ms(job: Job, rounds: int) -> float:
    taken = []
    for turn in range(rounds + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        job()
        torch.cuda.synchronize()
        if turn >= 3:
            taken.append(1e3 * (time.perf_counter() - start))
    return median(taken)


if __name__ == "__main__":
    raise SystemExit(main())
