#!/usr/bin/env python3
"""Time from the arrival of a radar file to the published nowcast, process start included as cron pays it.

Each round puts one more file into the input folder and starts `nowcast cycle` as a process of its own. The
time runs until `latest` leads to the new nowcast: settling (2 s), ingest, a MotionRNN of 4 x 32 channels with
fresh weights, CF netCDF, ODIM_H5, maps, loop. Prints median and 95th percentile, and where the time went.

Usage: benchmark_service.py [--rounds 20] [--size 479 617] [--past 10] [--model motionrnn_predrnn]
                            [--precision float32] [--report FILE.json]
Exit code 1 when the median is above 15 s or the 95th percentile above 30 s.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from nowcast.core.times import to_text
from nowcast.demo.storm import StormSettings, make_storms, storm_grid
from nowcast.products.odim_h5 import write_composite

STEP = np.timedelta64(10, "m")
START = np.datetime64("2025-06-01T00:00", "ns")
LEADS = 10
MOST_MEDIAN, MOST_P95 = 15.0, 30.0


def main() -> int:
    """Run the rounds and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--size", type=int, nargs=2, default=(479, 617), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--past", type=int, default=10)
    parser.add_argument("--hidden", type=int, nargs="+", default=[32, 32, 32, 32])
    parser.add_argument("--model", default="motionrnn_predrnn", help="a network, or extrapolation")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--report", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), args)
    print(json.dumps(report, indent=1))
    if args.report:
        args.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return int(report["median_s"] > MOST_MEDIAN or report["p95_s"] > MOST_P95)


def measure(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Publish once to warm the disk's cache, then time the rounds."""
    rows, columns = args.size
    storms = StormSettings(
        frames=args.past + args.rounds, size=max(rows, columns), cell_km=1.0, step_minutes=10
    )
    grid = storm_grid(storms)
    grid = type(grid)(grid.crs_wkt, grid.y[:rows], grid.x[:columns])
    frames = make_storms(storms)[:, :rows, :columns]
    inbox = folder / "incoming"
    inbox.mkdir()
    config = write_config(folder, args)

    def deliver(index: int) -> None:
        moment = START + STEP * index
        name = to_text(moment).replace(":", "").replace("-", "")
        write_composite(inbox / f"{name}.h5", frames[index], moment, grid)

    for index in range(args.past - 1):
        deliver(index)
    deliver(args.past - 1)
    cycle(config, args.past - 1)
    times, parts = [], []
    for number in tqdm(range(args.rounds), desc="rounds", unit="cycle", disable=None):
        index = args.past + number
        deliver(index)
        arrived = time.time()
        code = cycle(config, index)
        if code != 0:
            raise SystemExit(f"round {number}: the cycle ended with code {code}, expected 0")
        times.append((folder / "out" / "latest").lstat().st_mtime - arrived)
        parts.append((time.time() - arrived, last_parts(folder / "out" / "ledger.sqlite")))
    return {
        "model": args.model,
        "hidden": args.hidden,
        "grid": [rows, columns],
        "past": args.past,
        "lead_times": LEADS,
        "rounds": args.rounds,
        "median_s": round(float(np.median(times)), 2),
        "p95_s": round(float(np.quantile(times, 0.95)), 2),
        "slowest_s": round(max(times), 2),
        "median_until_the_process_ended_s": round(float(np.median([p[0] for p in parts])), 2),
        "median_of_parts_s": {
            name: round(float(np.median([p[1].get(name, 0.0) for p in parts])), 2) for name in parts[0][1]
        },
    }


def write_config(folder: Path, args: argparse.Namespace) -> Path:
    """Write the service's settings and, for a network, a checkpoint with fresh weights."""
    model = args.model
    if model not in ("persistence", "extrapolation"):
        model = str(folder / "network.ckpt")
        write_checkpoint(Path(model), args)
    settings = {
        "name": "benchmark",
        "archive": str(folder / "archive.zarr"),
        "output": str(folder / "out"),
        "inputs": [{"folder": str(folder / "incoming"), "patterns": ["*.h5"]}],
        "model": model,
        "lead_times": LEADS,
        "step_minutes": 10.0,
        "budget_seconds": 300.0,
        "products": {"odim": True},
        "model_settings": {"precision": args.precision} if model.endswith(".ckpt") else {},
    }
    path = folder / "service.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def write_checkpoint(path: Path, args: argparse.Namespace) -> None:
    """Save a network as training would; its time does not depend on what it learned."""
    import torch

    from nowcast.core.scaling import Scaling
    from nowcast.models.catalog import build_model
    from nowcast.models.checkpoint import CheckpointMeta, pack, save

    torch.manual_seed(0)
    settings = {"hidden": args.hidden}
    network = build_model(args.model, settings)
    meta = CheckpointMeta(args.model, settings, 1, None, args.past, LEADS, 600.0, Scaling(), (1.0, 1.0))
    save(path, pack(network.state_dict(), meta))


def cycle(config: Path, index: int) -> int:
    """Start `nowcast cycle` two minutes after the nominal time of a frame; return its exit code."""
    now = to_text(START + STEP * index + np.timedelta64(2, "m"))
    command = [sys.executable, "-m", "nowcast.cli.main", "cycle", "--config", str(config), "--now", now]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    return done.returncode


def last_parts(ledger: Path) -> dict[str, float]:
    """Return what the last cycle says its parts took."""
    with sqlite3.connect(ledger) as database:
        row = database.execute("SELECT seconds FROM cycles ORDER BY id DESC LIMIT 1").fetchone()
    database.close()
    found: dict[str, float] = json.loads(row[0])
    return found


if __name__ == "__main__":
    sys.exit(main())
