"""Do the parts that papers add help? Networks against their ablations on moving digits, matched, three seeds.

    python scripts/compare_variants.py motionrnn --out runs/compare [--digits FOLDER] [--steps 300]
    python scripts/compare_variants.py lmc_memory astm

All networks of a comparison get the same clips, seeds, iterations and schedule, and are trained in turn, seed
by seed. A run that was interrupted goes on where it ended, a finished one is not repeated: call the script
again until the table is whole; ``--most-minutes`` starts no further run once that time is up.

Scores are of the checkpoint that is best on validation, on sequences that neither training nor validation has
seen (with ``--digits`` also of other pictures than in training). MSE: squared error summed over the pixels of
a frame, mean over frames; SSIM: windows of 7 x 7, data range 1; both also for the last third of the lead
times. Frames are clamped to [0, 1]. Tables are written as Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
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
from nowcast.models.checkpoint import load_network
from nowcast.training.experiment import Experiment
from nowcast.training.run import train

VARIED = {"turn_degrees": 10.0, "scale_range": [0.8, 1.2]}
"""V-MNIST: digits move, rotate and scale at once."""
SCORES = ("mse", "mse_late", "ssim", "ssim_late")


@dataclass(frozen=True)
class Comparison:
    """What is compared, on what."""

    question: str
    networks: dict[str, tuple[str, dict[str, Any]]]
    """Name in the table -> name in the catalog, settings."""
    past: int = 10
    future: int = 10
    digits: dict[str, Any] = field(default_factory=dict)
    steps: int = 300
    loss: str = "l1_l2"


_STACK: dict[str, Any] = {"hidden": [16, 16, 16], "filter_size": 3, "patch": 4}


def _motionrnn(**motion: Any) -> tuple[str, dict[str, Any]]:
    return "motionrnn_predrnn", {**_STACK, "motion": motion}


def _lmc(variant: str) -> tuple[str, dict[str, Any]]:
    return "lmc_memory", {
        "variant": variant, "hidden": 32, "layers": 2, "slots": 100, "slot_width": 64, "long_length": 30,
    }


def _astm(**settings: Any) -> tuple[str, dict[str, Any]]:
    return "astm", {"hidden": [16, 16, 16], "patch": 8, **settings}


COMPARISONS: dict[str, Comparison] = {
    "motionrnn": Comparison(
        "Does MotionRNN help PredRNN, which variant is better, and what does bounding the filter cost?",
        {
            "predrnn": ("predrnn", _STACK),
            "motionrnn released": _motionrnn(),
            "motionrnn paper": _motionrnn(variant="paper"),
            "motionrnn released, unbounded": _motionrnn(stability="none"),
        },
        digits=VARIED,
    ),
    "lmc_memory": Comparison(
        "Does the memory help, and does a query for each place? The rows of LMC-Memory's Table 4.",
        {"none": _lmc("none"), "non-local": _lmc("pooled"), "local": _lmc("local")},
        future=30, steps=120,
    ),
    "astm": Comparison(
        "Does ASTM's attention over past memories help? `released` equals `basic` to the last bit.",
        {"basic": _astm(attention=False), "astm": _astm()},
        loss="mse",
    ),
}  # fmt: skip


def main() -> int:
    """Train what is missing, score it, write the tables of what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=COMPARISONS, help="which comparisons")
    parser.add_argument("--out", type=Path, default=Path("runs/compare"), help="folder of runs and tables")
    parser.add_argument("--digits", type=Path, help="folder with MNIST's IDX files (default: a font)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="iterations of a run (default: the comparison's own)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    parser.add_argument("--test-clips", type=int, default=200)
    parser.add_argument("--most-minutes", type=float, help="start no further run after so many minutes")
    args = parser.parse_args()
    began = time.monotonic()
    try:
        for name in args.names:
            rows = []
            for seed in args.seeds:
                for network in COMPARISONS[name].networks:
                    late = args.most_minutes is not None and time.monotonic() - began > 60 * args.most_minutes
                    if (row := _one(args, name, network, seed, late)) is not None:
                        rows.append(row)
                        _write(args, name, rows)
    except NowcastError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _experiment(args: argparse.Namespace, name: str, network: str, seed: int) -> Experiment:
    chosen = COMPARISONS[name]
    model, settings = chosen.networks[network]
    steps = args.steps or chosen.steps

    def digits(part: str, number: int, count: int) -> dict[str, Any]:
        found = {
            "part": part, "seed": number, "count": count, "length": chosen.past + chosen.future,
            **chosen.digits,
        }
        if args.digits is not None:
            found["path"] = str(args.digits)
        return {"kind": "moving_digits", "settings": found}

    return build(Experiment, {
        "name": f"{name}_{network}_seed{seed}".replace(" ", "_").replace(",", ""),
        "model": {"name": model, "settings": settings},
        "data": {
            "sources": [digits("train", 100 + seed, 10_000)],
            "validation_sources": [digits("test", 1, 48)],
            "window": {"past": chosen.past, "future": chosen.future},
            "scaling": None, "turns": False, "validation_clips": 48,
        },
        "training": {
            "steps": steps, "batch": args.batch, "seed": seed, "gradient_clip": 1.0,
            "learning_rate": {"start": 1e-3, "schedule": "cosine", "warmup": 30},
            "loss": chosen.loss, "precision": args.precision, "sampling": {"start": 1.0, "share": 0.5},
            "ema_decay": 0.98, "validate_every": max(25, steps // 6),
        },
    })  # fmt: skip


def _one(
    args: argparse.Namespace, name: str, network: str, seed: int, known_only: bool
) -> dict[str, Any] | None:
    """Give the scores of one run, trained as far as it is not; None if that would take a run."""
    experiment = _experiment(args, name, network, seed)
    folder = args.out / experiment.name
    place = folder / "scores.json"
    asked = {"steps": experiment.training.steps, "batch": args.batch, "precision": args.precision,
             "test_clips": args.test_clips, "settings": experiment.model.settings}  # fmt: skip
    if place.exists():
        known: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        if known["asked"] == asked:
            return known
    if known_only:
        return None
    data = open_data(experiment)
    last = sorted(folder.glob("v*/last.ckpt"), key=lambda p: int(p.parent.name[1:]))
    best = train(
        experiment, data.clips.train, data.clips.validation, args.out,
        resume=last[-1] if last else None, progress=True,
    )  # fmt: skip
    scores = _score(best, args, COMPARISONS[name])
    found = {"network": network, "seed": seed, **scores, "asked": asked}
    with whole_file(place) as temporary:
        temporary.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def _score(best: Path, args: argparse.Namespace, chosen: Comparison) -> dict[str, float]:
    network = load_network(best).model
    settings = build(DigitSettings, {
        "part": "test", "seed": 2, "count": args.test_clips, "length": chosen.past + chosen.future,
        **chosen.digits, **({} if args.digits is None else {"path": str(args.digits)}),
    })  # fmt: skip
    window = Window(chosen.past, chosen.future)
    clips = VideoDataset([MovingDigits(settings)], window, turns=False, train=False)
    squared: list[list[float]] = []
    similar: list[list[float]] = []
    for clip in DataLoader(cast(Any, clips), batch_size=8):
        with torch.inference_mode():
            frames = network(clip.past, chosen.future).clamp(0, 1)
        squared += (frames - clip.future).square().sum(dim=(-1, -2, -3)).tolist()
        similar += [
            [float(structural_similarity(a, b, data_range=1.0)) for a, b in zip(one, other, strict=True)]
            for one, other in zip(frames[:, :, 0].numpy(), clip.future[:, :, 0].numpy(), strict=True)
        ]
    late = -(chosen.future // 3)
    mse, ssim = np.array(squared), np.array(similar)
    return {
        "mse": float(mse.mean()), "mse_late": float(mse[:, late:].mean()),
        "ssim": float(ssim.mean()), "ssim_late": float(ssim[:, late:].mean()),
    }  # fmt: skip


def _write(args: argparse.Namespace, name: str, rows: list[dict[str, Any]]) -> None:
    chosen = COMPARISONS[name]
    kind = "V-MNIST" if chosen.digits else "Moving MNIST"
    asked = rows[0]["asked"]
    lines = [
        f"### {name}", "", chosen.question, "",
        f"{kind} 64 x 64, {chosen.past} -> {chosen.future}, {asked['steps']} iterations of {asked['batch']}, "
        f"{asked['test_clips']} test sequences; mean over seeds and, in brackets, each seed.", "",
        "| network | MSE | MSE, last third | SSIM | SSIM, last third |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for network in chosen.networks:
        mine = [r for r in rows if r["network"] == network]
        if mine:
            cells = [_cell([r[key] for r in mine], 2 if "mse" in key else 4) for key in SCORES]
            lines.append(f"| {network} | " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    with whole_file(args.out / f"{name}.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text, flush=True)


def _cell(values: list[float], digits: int) -> str:
    each = ", ".join(f"{v:.{digits}f}" for v in values)
    return f"{statistics.fmean(values):.{digits}f} ({each})"


if __name__ == "__main__":
    sys.exit(main())
