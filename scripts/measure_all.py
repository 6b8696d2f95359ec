"""Fill the table of speeds in docs/reference/measured.md, or check this machine against it.

    OMP_NUM_THREADS=1 python scripts/measure_all.py [--rounds 5] [--only NAME ...] [--dry]
    OMP_NUM_THREADS=1 python scripts/measure_all.py --check docs/reference/speeds.json [--tolerance 1.4]

All work and a reference kernel (products of matrices and passes over an array) take turns in each round, in CPU
seconds of this process: other work on the machine slows all alike. What is compared is never a time but its
ratio to the kernel within a round. Writes docs/reference/speeds.json and the part of the page between its two
marks; with ``--check`` it writes nothing and ends with 1 where a ratio is larger than the stored one times the
tolerance (another kind of CPU is refused). S-PROG of pysteps is among the work where it is installed. ``--dry``
adds the forecasts from frames with little rain; OMP_NUM_THREADS=2 measures two threads. Peak memory:
`scripts/benchmark_packaged.py --peak`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmark_models import SETTINGS, _forecast, _model, _training
from benchmark_packaged import frames, leads, ratios, spread
from interleaved import Job, Seconds, interleaved
from naive_networks import naive

from nowcast.forecasters.catalog import build_forecaster
from nowcast.models.cpu.fast import fast
from nowcast.scores.catalog import build_metrics
from nowcast.scores.evaluate import Tally

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "measured.md"
STORED = PAGE.with_name("speeds.json")
KERNEL, PLAIN = "kernel", "motionrnn_predrnn 5 -> 10, 64 px, plain"
BEGIN, END = "<!-- speeds -->", "<!-- end of speeds -->"
ROWS, COLUMNS = 479, 617
THRESHOLDS = [20.0, 30.0, 35.0, 40.0]


def main() -> None:
    """Measure, then write or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="work whose name starts so")
    parser.add_argument("--dry", action="store_true", help="also forecasts from frames with little rain")
    parser.add_argument("--check", type=Path, metavar="JSON", help="compare with this file; write nothing")
    parser.add_argument("--tolerance", type=float, default=1.4, help="how much larger a ratio may be (1.4)")
    args = parser.parse_args()
    known = work(("wet", "dry") if args.dry else ("wet",))
    makers = {n: m for n, m in known.items() if n == KERNEL or not args.only or n.startswith(tuple(args.only))}
    taken = interleaved({name: make() for name, make in makers.items()}, args.rounds, cpu_time=True)
    found = {"machine": machine(args.rounds), "work": {name: row(taken, name) for name in taken}}
    if args.check:
        sys.exit(compare(found, json.loads(args.check.read_text()), args.tolerance))
    STORED.write_text(json.dumps(found, indent=1) + "\n")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + table(found) + END + rest.partition(END)[2])
    print(table(found))


def work(frames_of: Sequence[str] = ("wet",)) -> dict[str, Callable[[], Job]]:
    """What makes each job ready, by name."""
    found: dict[str, Callable[[], Job]] = {KERNEL: _kernel}
    peers = ("sprog", "pysteps_lk") if find_spec("pysteps") else ()
    for rain in frames_of:
        for name in (*peers, "motionrnn", "lmc_memory", "astm", "extrapolation"):
            found[f"{name}, {rain}"] = partial(_nowcast, name, rain == "dry")
    found["default scores of a nowcast"] = _scores
    shanghai = SETTINGS["shanghai"]
    found[PLAIN] = lambda: _forecast(naive(_model("motionrnn_predrnn", shanghai)), shanghai)
    found["motionrnn_predrnn 5 -> 10, 64 px"] = lambda: _forecast(
        fast(_model("motionrnn_predrnn", shanghai)), shanghai
    )
    found["training step of it, batch 2"] = lambda: _training(
        _model("motionrnn_predrnn", shanghai), shanghai._replace(batch=2)
    )
    return found


def _kernel() -> Job:
    a = torch.rand(512, 512)
    values = torch.rand(1 << 20)

    def run() -> None:
        for _ in range(20):
            a @ a
            (values * 0.5).sigmoid_()

    return run


def _nowcast(name: str, dry: bool) -> Job:
    model, observed = build_forecaster(name), frames(ROWS, COLUMNS, dry)
    return lambda: model.forecast(observed, leads())


def _scores() -> Job:
    newest = frames(ROWS, COLUMNS, dry=False).values[-1]
    observed = np.stack([np.roll(newest, (t, 2 * t), (0, 1)) for t in range(10)])
    metrics, forecast = build_metrics(THRESHOLDS, ["default"]), np.roll(observed, 3, axis=1)
    return lambda: Tally(metrics).add(forecast, observed)


def machine(rounds: int) -> dict[str, Any]:
    """What it was measured on."""
    return {
        "cpu": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("torch", "numpy", "scipy", "xarray")},
    }


def row(taken: Seconds, name: str) -> dict[str, list[float]]:
    """Lower quartile, median and upper quartile of the seconds, and of the ratios to kernel and peers."""
    found = {"seconds": spread(taken[name]), "to_kernel": ratios(taken, name, KERNEL)}
    peer = f"sprog, {name[-3:]}"
    if peer in taken:
        found["to_sprog"] = ratios(taken, name, peer)
    if PLAIN in taken and name.startswith("motionrnn_predrnn"):
        found["to_plain"] = ratios(taken, name, PLAIN)
    return {key: [round(value, 4) for value in values] for key, values in found.items()}


def table(found: dict[str, Any]) -> str:
    """The result as Markdown, with a blank line around it."""
    said = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    lines = [said, "", "| work | CPU s | to the kernel | to S-PROG or the plain network |", "|---|---|---|---|"]
    for name, values in found["work"].items():
        peer = values.get("to_sprog") or values.get("to_plain")
        cells = [_between(v) if v else "" for v in (values["seconds"], values["to_kernel"], peer)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n\n" + "\n".join(lines) + "\n\n"


def _between(values: list[float]) -> str:
    low, middle, high = values
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def compare(found: dict[str, Any], stored: dict[str, Any], tolerance: float) -> int:
    """Print each ratio to the kernel beside the stored one; 1 where one is too large, 2 for another CPU."""
    alike = ("cpu", "instructions", "threads")
    if any(found["machine"][key] != stored["machine"][key] for key in alike):
        print(f"another machine: {found['machine']}, stored {stored['machine']}; measure there anew")
        return 2
    slower = False
    for name in (n for n in found["work"] if n in stored["work"] and n != KERNEL):
        now, then = (each["work"][name]["to_kernel"] for each in (found, stored))
        too_large = now[0] > tolerance * then[1]  # even the faster rounds
        slower |= too_large
        print(f"{name:40} {now[1]:8.3g}  stored {then[1]:8.3g}{'  SLOWER' if too_large else ''}")
    return int(slower)


if __name__ == "__main__":
    main()
