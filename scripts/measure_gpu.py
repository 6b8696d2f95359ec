"""Times forecasts and a training step on one GPU: eager, recorded as a CUDA graph, compiled.

    python scripts/measure_gpu.py --out FOLDER [--budget 170] [--parts 64 packaged training compiled]
    python scripts/measure_gpu.py --out FOLDER --device cpu --small

Needs torch, numpy and what `nowcast.models` imports. Variants of one work take turns in each round; times are
those of the clock until the GPU is done. Writes ``gpu.json`` and ``gpu.md`` after each part (a part that fails
says why and the next one goes on; none begins once the budget in seconds is used up); prints the table last.

Work: MotionRNN-PredRNN 5 -> 10, LMC-Memory 10 -> 30 and ASTM 10 -> 10 at their papers' sizes on 64 x 64; the
networks that come with the package on 479 x 617, on the GPU alone and from frames on the CPU to probabilities
on the CPU; one training step of MotionRNN-PredRNN (5 -> 10, 64 x 64, batch 8, Adam). ``graph`` is
`nowcast.models.cuda_graph.Graphed` around what `nowcast.models.cpu.fast.fast` makes on a GPU; ``apart`` is the
largest difference from the eager float32 result (of a training step: of the first losses, relative).
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from gpu_work import Measured, compiled_forecast, forecasts, packaged_forecasts, training_steps
from interleaved import interleaved

COLUMNS = ("work", "variant", "median_ms", "lowest_ms", "highest_ms", "times_eager", "apart", "peak_mb")


class Sizes(NamedTuple):
    """How large everything is."""

    side: int
    rows: int
    columns: int
    batch: int
    rounds: int
    narrow: bool
    """Networks of a few channels, to try the script itself."""


FULL, SMALL = Sizes(64, 479, 617, 8, 20, narrow=False), Sizes(32, 96, 120, 2, 2, narrow=True)


def main() -> None:
    """Measure part by part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json and gpu.md")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny sizes, two rounds: to try the script itself")
    parser.add_argument("--budget", type=float, default=170.0, help="seconds after which no part begins")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False  # so that float32 is float32; the variant "TF32" switches it on
    sizes, device, began = SMALL if args.small else FULL, torch.device(args.device), time.perf_counter()
    found: dict[str, object] = {"machine": machine(device), "sizes": sizes._asdict(), "rows": [], "failed": {}}
    for name in args.parts:
        for work, make in PARTS[name](sizes, device):
            if time.perf_counter() - began > args.budget:
                _note(found, work, f"left out: the budget of {args.budget:g} s was used up")
                continue
            print(f"{time.perf_counter() - began:6.1f} s  {work}", file=sys.stderr, flush=True)
            try:
                _rows(found).extend(measure(work, make(), sizes.rounds, device))
            except Exception as error:
                _note(found, work, "".join(traceback.format_exception(error)[-3:]))
            write(found, args.out)
    print((args.out / "gpu.md").read_text())


def machine(device: torch.device) -> dict[str, str]:
    """What it was measured on."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {"device": gpu, "torch": torch.__version__, "python": platform.python_version()}


def _rows(found: dict[str, object]) -> list[dict[str, object]]:
    rows = found["rows"]
    assert isinstance(rows, list)
    return rows


def _note(found: dict[str, object], work: str, why: str) -> None:
    failed = found["failed"]
    assert isinstance(failed, dict)
    failed[work] = why
    print(f"{work}: {why}", file=sys.stderr, flush=True)


def measure(
    work: str, variants: Mapping[str, Measured], rounds: int, device: torch.device
) -> list[dict[str, object]]:
    """One row for each variant of a work; the first is the eager one that others are compared with."""
    peaks: dict[str, float | None] = {}
    for name, variant in variants.items():
        if device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        variant.run()
        known = device.type == "cuda" and "graph" not in name  # a recording keeps its memory for itself
        peaks[name] = round(torch.cuda.max_memory_allocated() / 1e6, 1) if known else None
    taken = interleaved({name: _waited(variant.run, device) for name, variant in variants.items()}, rounds)
    first = next(iter(variants))
    rows: list[dict[str, object]] = []
    for name, seconds in taken.items():
        faster = statistics.median(a / b for a, b in zip(taken[first], seconds, strict=True))
        values = statistics.median(seconds), min(seconds), max(seconds)
        row: dict[str, object] = {"work": work, "variant": name}
        for key, value in zip(("median", "lowest", "highest"), values, strict=True):
            row[f"{key}_ms"] = round(1e3 * value, 3)
        row |= {"times_eager": round(faster, 3), "apart": variants[name].apart, "peak_mb": peaks[name]}
        rows.append(row)
    return rows


def _waited(job: Callable[[], object], device: torch.device) -> Callable[[], None]:
    def run() -> None:
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            job()
            if device.type == "cuda":
                torch.cuda.synchronize()

    return run


def write(found: dict[str, object], folder: Path) -> None:
    """What is known so far, as JSON and as a table."""
    (folder / "gpu.json").write_text(json.dumps(found, indent=1))
    lines = [
        ", ".join(f"{key} {value}" for key, value in dict(found["machine"]).items()),  # type: ignore[call-overload]
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    lines += ["| " + " | ".join(_cell(row[column]) for column in COLUMNS) + " |" for row in _rows(found)]
    failed = found["failed"]
    assert isinstance(failed, dict)
    lines += [f"\nnot measured: {work}: {why.strip().splitlines()[-1]}" for work, why in failed.items()]
    (folder / "gpu.md").write_text("\n".join(lines) + "\n")


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


Work = Iterator[tuple[str, Callable[[], Mapping[str, Measured]]]]


def _at_64(sizes: Sizes, device: torch.device) -> Work:
    for name, past, steps in (("motionrnn_predrnn", 5, 10), ("lmc_memory", 10, 30), ("astm", 10, 10)):
        make = partial(forecasts, name, past, steps, sizes.side, device, sizes.narrow)
        yield f"{name} {past} -> {steps}, {sizes.side} px", make


def _packaged(sizes: Sizes, device: torch.device) -> Work:
    for name in ("motionrnn", "lmc_memory", "astm"):
        make = partial(packaged_forecasts, name, sizes.rows, sizes.columns, device)
        yield f"packaged {name}, {sizes.rows} x {sizes.columns} x 10", make


def _training(sizes: Sizes, device: torch.device, compiled: bool = False) -> Work:
    make = partial(training_steps, sizes.side, sizes.batch, device, sizes.narrow, compiled)
    added = ", compiled" if compiled else ""
    yield f"training step motionrnn_predrnn, {sizes.side} px, batch {sizes.batch}{added}", make


def _compiled(sizes: Sizes, device: torch.device) -> Work:
    make = partial(compiled_forecast, sizes.side, device, sizes.narrow)
    yield f"motionrnn_predrnn 5 -> 10, {sizes.side} px, compiled step", make
    yield from _training(sizes, device, compiled=True)


PARTS: Mapping[str, Callable[[Sizes, torch.device], Work]] = {
    "64": _at_64,
    "packaged": _packaged,
    "training": _training,
    "compiled": _compiled,
}

if __name__ == "__main__":
    main()
