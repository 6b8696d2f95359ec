"""Does ASTM's attention help? ASTM against its ablation ``basic`` on moving digits, three seeds.

    python scripts/compare_astm_basic.py --out runs/astm_basic [--digits FOLDER] [--steps 800] [--minutes 20]

Both networks get the same data, seeds, iterations and starting weights (attention has none of its own) and
are trained in turn, seed by seed. A run that was interrupted goes on where it ended, a finished one is
not repeated, so the script can be called again until the table is whole. ``released`` needs no runs: with
tau times the same memory its softmax gives that memory back, so it is ``basic`` to the last bit, and
the script checks that before it starts.

Scores are of the checkpoint that is best on validation, on sequences that neither training nor validation
has seen (with ``--digits`` also of other pictures than in training). MSE: squared error summed over the
pixels of a frame, mean over frames. SSIM: windows of 7 x 7, data range 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch.utils.data import DataLoader

from nowcast.bench.experiment_data import open_data
from nowcast.core.errors import NowcastError
from nowcast.core.files import whole_file
from nowcast.core.settings import build
from nowcast.data.clips import VideoDataset
from nowcast.data.moving_digits import DigitSettings, MovingDigits
from nowcast.data.windows import Window
from nowcast.models.catalog import build_model
from nowcast.models.checkpoint import load_network
from nowcast.training.experiment import Experiment
from nowcast.training.run import train

VARIANTS: dict[str, dict[str, Any]] = {"astm": {}, "basic": {"attention": False}}


def main() -> int:
    """Train what is missing, score it, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/astm_basic"), help="folder of runs and table")
    parser.add_argument("--digits", type=Path, help="folder with MNIST's IDX files (default: a font)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=800, help="iterations a run (default 800)")
    parser.add_argument("--minutes", type=float, help="stop a run after so many minutes all the same")
    parser.add_argument("--hidden", type=int, nargs="+", default=[16, 16, 16], help="channels of each layer")
    parser.add_argument("--patch", type=int, default=8, help="side of a patch (default 8, an 8 x 8 map)")
    parser.add_argument("--tau", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    parser.add_argument("--test-clips", type=int, default=200)
    args = parser.parse_args()
    try:
        _same_as_released(args)
        rows = [
            _one(args, variant, seed) for seed in args.seeds for variant in VARIANTS
        ]
    except NowcastError as error:
        print(error, file=sys.stderr)
        return 2
    _write(args, rows)
    return 0


def _settings(args: argparse.Namespace, variant: dict[str, Any]) -> dict[str, Any]:
    return {"hidden": args.hidden, "patch": args.patch, "tau": args.tau, **variant}


def _same_as_released(args: argparse.Namespace) -> None:
    past = torch.rand(1, 10, 1, 64, 64)
    found = []
    for variant in (VARIANTS["basic"], {"history": "released"}):
        torch.manual_seed(0)
        with torch.no_grad():
            found.append(build_model("astm", _settings(args, variant), 1, (64, 64))(past, 5))
    assert torch.equal(*found)


def _experiment(args: argparse.Namespace, variant: str, seed: int) -> Experiment:
    def digits(part: str, number: int, count: int) -> dict[str, Any]:
        settings = {"part": part, "seed": number, "count": count, "length": 20, "size": 64}
        if args.digits is not None:
            settings["path"] = str(args.digits)
        return {"kind": "moving_digits", "settings": settings}

    return build(Experiment, {
        "name": f"{variant}_seed{seed}",
        "model": {"name": "astm", "settings": _settings(args, VARIANTS[variant])},
        "data": {
            "sources": [digits("train", 100 + seed, 10_000)],
            "validation_sources": [digits("test", 1, 64)],
            "window": {"past": 10, "future": 10}, "scaling": None, "turns": False, "validation_clips": 64,
        },
        "training": {
            "steps": args.steps, "minutes": args.minutes, "batch": args.batch, "seed": seed,
            "learning_rate": {"start": 1e-3, "schedule": "cosine", "warmup": 50}, "gradient_clip": 1.0,
            "loss": "mse", "precision": args.precision, "sampling": {"start": 1.0, "share": 0.5},
            "ema_decay": 0.99, "validate_every": max(50, args.steps // 10),
        },
    })


def _one(args: argparse.Namespace, variant: str, seed: int) -> dict[str, Any]:
    """Give the scores of one run, trained as far as it is not."""
    experiment = _experiment(args, variant, seed)
    place = args.out / experiment.name / "scores.json"
    wanted = {"steps": args.steps, "minutes": args.minutes, "test_clips": args.test_clips}
    if place.exists():
        known: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        if known["budget"] == wanted:
            return known
    data = open_data(experiment)
    last = sorted((args.out / experiment.name).glob("v*/last.ckpt"), key=lambda p: int(p.parent.name[1:]))
    best = train(
        experiment, data.clips.train, data.clips.validation, args.out,
        resume=last[-1] if last else None, progress=True,
    )
    scores = _score(best, args)
    found = {"variant": variant, "seed": seed, **scores, "budget": wanted}
    with whole_file(place) as temporary:
        Path(temporary).write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def _score(best: Path, args: argparse.Namespace) -> dict[str, float]:
    network = load_network(best).model
    settings = DigitSettings(path=args.digits, part="test", seed=2, count=args.test_clips)
    clips = VideoDataset([MovingDigits(settings)], Window(10, 10), turns=False, train=False)
    squared: list[float] = []
    similar: list[float] = []
    for clip in DataLoader(cast(Any, clips), batch_size=8):
        with torch.inference_mode():
            frames = network(clip.past, 10).clamp(0, 1)
        squared += (frames - clip.future).square().sum(dim=(-1, -2)).flatten().tolist()
        for one, other in zip(frames.flatten(0, 2).numpy(), clip.future.flatten(0, 2).numpy(), strict=True):
            similar.append(float(structural_similarity(one, other, data_range=1.0)))
    last = np.mean(np.reshape(squared, (-1, 10))[:, -1])
    return {
        "mse": statistics.fmean(squared), "mse_last": float(last), "ssim": statistics.fmean(similar),
    }


def _write(args: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    lines = [
        f"{len(args.hidden)} layers of {args.hidden[0]}, patch {args.patch}, tau {args.tau}, 64 x 64, "
        f"10 -> 10, {args.steps} iterations of {args.batch}, {args.test_clips} test sequences.", "",
        "| seed | network | MSE a frame | MSE of the 10th | SSIM |", "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['seed']} | {r['variant']} | {r['mse']:.2f} | {r['mse_last']:.2f} | {r['ssim']:.4f} |"
        for r in rows
    ]
    for variant in VARIANTS:
        mine = [r for r in rows if r["variant"] == variant]
        means = [statistics.fmean(r[key] for r in mine) for key in ("mse", "mse_last", "ssim")]
        lines.append(f"| mean | {variant} | {means[0]:.2f} | {means[1]:.2f} | {means[2]:.4f} |")
    gains = [
        next(r["mse"] for r in rows if r["seed"] == s and r["variant"] == "basic")
        - next(r["mse"] for r in rows if r["seed"] == s and r["variant"] == "astm")
        for s in args.seeds
    ]
    told = ", ".join(f"{gain:+.2f}" for gain in gains)
    lines += ["", f"MSE of basic minus MSE of astm, seed by seed: {told} (above 0: attention helps).",
              "released equals basic to the last bit."]
    with whole_file(args.out / "table.md") as temporary:
        Path(temporary).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    raise SystemExit(main())
