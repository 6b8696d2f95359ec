"""Times every backbone at the papers' sizes: forecast and training step, against a naive variant, in one run.

    python scripts/benchmark_models.py [--models motionrnn_predrnn ...] [--threads 2] [--rounds 5]
    python scripts/benchmark_models.py --page docs/reference/networks.md

All variants of a network take turns in each round, so that a busy machine slows them alike; the table
gives the median of the times and of the ratios within a round. Memory is the peak of the resident set of
a process of its own.

With ``--page`` it compares the networks instead: every configuration of ``configs/model`` that continues
10 frames of 64 x 64 by 10, and the networks of the catalog that have none, each in a process of its own with
one thread. The table is put between the marks of that page; `network_rows` says what its columns are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from interleaved import Job, interleaved, peak_of, print_peak, times_faster
from naive_networks import naive
from network_rows import measured_row, write_table

from nowcast.models.base import SequenceModel
from nowcast.models.catalog import MODELS, build_model
from nowcast.models.cpu.capability import native_bfloat16
from nowcast.models.cpu.fast import fast


class Setting(NamedTuple):
    """A sequence of a paper."""

    past: int
    steps: int
    size: tuple[int, int]
    channels: int
    batch: int
    """Of the training step."""


SETTINGS = {
    "shanghai": Setting(5, 10, (64, 64), 1, 8),
    "human": Setting(4, 4, (128, 128), 3, 4),
    "v-mnist": Setting(10, 10, (64, 64), 1, 8),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(MODELS), help="names of the catalog")
    parser.add_argument("--setting", choices=SETTINGS, default="shanghai")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-training", action="store_true", help="time forecasts only")
    parser.add_argument("--cpu-time", action="store_true", help="CPU seconds instead of wall time")
    parser.add_argument("--page", type=Path, help="write the table of all networks into this page")
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.row:
        print(measured_row(*args.row))
        return
    if args.page:
        write_table(args.page, __file__)
        return
    setting = SETTINGS[args.setting]
    if args.alone:
        name, work, variant = args.alone
        _runs(name, work, setting)[variant]()()
        print_peak()
        return
    print(f"{args.setting}: {setting}, {args.threads} threads, torch {torch.__version__}")
    print(f"{'network':<20} {'work':<9} {'variant':<9} {'seconds':>8} {'x naive':>8} {'MB':>6}")
    for name in args.models:
        for work in ("forecast", "training")[: 1 if args.no_training else 2]:
            _table(name, work, setting, args)


def _table(name: str, work: str, setting: Setting, args: argparse.Namespace) -> None:
    makers = _runs(name, work, setting)
    runs = {variant: make() for variant, make in makers.items() if variant != "bf16" or native_bfloat16()}
    taken = interleaved(runs, args.rounds, args.cpu_time)
    for variant, seconds in taken.items():
        ratio = times_faster(taken, "naive", variant)
        options = "--setting", args.setting, "--threads", str(args.threads)
        peak = peak_of(__file__, *options, "--alone", name, work, variant)
        print(f"{name:<20} {work:<9} {variant:<9} {median(seconds):8.3f} {ratio:8.2f} {peak:6.0f}", flush=True)


def _runs(name: str, work: str, setting: Setting) -> dict[str, Callable[[], Job]]:
    """What makes each variant ready; nothing is built before it is called."""
    if work == "training":
        return {
            "naive": lambda: _training(naive(_model(name, setting)), setting),
            "float32": lambda: _training(_model(name, setting), setting),
            "bf16": lambda: _training(_model(name, setting), setting, torch.bfloat16),
        }
    return {
        "naive": lambda: _forecast(naive(_model(name, setting)), setting),
        "eager": lambda: _forecast(_model(name, setting), setting),
        "float32": lambda: _forecast(fast(_model(name, setting)), setting),
        "bf16": lambda: _forecast(fast(_model(name, setting), torch.bfloat16), setting),
    }


def _model(name: str, setting: Setting) -> SequenceModel:
    torch.manual_seed(0)
    return build_model(name, {}, setting.channels, setting.size)


def _forecast(model: SequenceModel, setting: Setting) -> Job:
    past = torch.rand(1, setting.past, setting.channels, *setting.size)
    model.eval()

    def run() -> None:
        with torch.no_grad():
            model(past, setting.steps)

    return run


def _training(model: SequenceModel, setting: Setting, dtype: torch.dtype | None = None) -> Job:
    frames = torch.rand(setting.batch, setting.past + setting.steps, setting.channels, *setting.size)
    past, future = frames[:, : setting.past], frames[:, setting.past :]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    model.train()

    def run() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
            loss = (model(past, setting.steps).float() - future).square().mean()
        loss.backward()
        optimizer.step()

    return run


if __name__ == "__main__":
    main()
