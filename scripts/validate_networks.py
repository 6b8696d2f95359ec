#!/usr/bin/env python3
"""Brier scores of networks and of means of them on the validation clips of an experiment, by source.

    python scripts/validate_networks.py configs/experiment/europe_motionrnn.yaml \
        --networks motionrnn=runs/europe_motionrnn/v0/best.ckpt unet=runs/europe_context_unet/v0/best.ckpt \
        --clips 60 [--set data.sources.0.settings.path=...]

What a change of the training brings is seen here without calibration and without start times of whole days:
every network forecasts the same clips. ``a+b`` names the mean of the probabilities of two that are given. All
networks have the thresholds, window and scaling of the experiment. Prints a Markdown table, in units of 1e-4.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from nowcast.core.errors import NowcastError, SettingsError
from nowcast.models.base import ClipBatch, SequenceModel
from nowcast.models.checkpoint import load_network
from nowcast.training.data_module import collate
from nowcast.training.experiment import Experiment, read_experiment
from nowcast.workflows.training_data import open_data

Sums = dict[tuple[str, str], npt.NDArray[np.float64]]
"""(source, network) -> squared errors and pixels of each threshold: (2, K)."""


def main() -> int:
    """Score every network on every clip; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--networks", nargs="+", required=True, metavar="NAME=FILE or NAME+NAME")
    parser.add_argument("--clips", type=int, default=60, help="at most, spread evenly over the validation")
    parser.add_argument("--set", dest="assignments", nargs="+", action="extend", default=[])
    args = parser.parse_args()
    try:
        experiment = read_experiment(args.config, args.assignments)
        files = dict(text.split("=", 1) for text in args.networks if "=" in text)
        means = [text for text in args.networks if "=" not in text]
        unknown = {name for mean in means for name in mean.split("+")} - set(files)
        if unknown or not files:
            raise SettingsError(
                f"--networks: got {', '.join(sorted(unknown)) or 'none'}, expected NAME=FILE of each"
            )
        networks = {name: load_network(path).model.eval() for name, path in files.items()}
        found = score(experiment, networks, means, args.clips)
    except NowcastError as error:
        print(f"validate_networks: {error}", file=sys.stderr)
        return 2
    print(table(found, experiment))
    return 0


def score(experiment: Experiment, networks: dict[str, SequenceModel], means: list[str], clips: int) -> Sums:
    """Add up squared errors of probabilities over clips, by source and network."""
    data = open_data(experiment).clips.validation
    count = min(clips, len(data))
    found: Sums = {}
    for index in tqdm([i * len(data) // count for i in range(count)], desc="score", unit="clip"):
        source = Path(data.source_name(index)).stem
        for name, sums in _of_clip(collate([data[index]]), networks, means).items():
            found[source, name] = found.get((source, name), np.zeros_like(sums)) + sums
    return found


@torch.inference_mode()
def _of_clip(
    clip: ClipBatch, networks: dict[str, SequenceModel], means: list[str]
) -> dict[str, npt.NDArray[np.float64]]:
    length, steps = clip.past.shape[1], clip.future.shape[1]
    seen, to_come = clip.observed[:, :length], clip.observed[:, length:]
    forecasts = {name: network(clip.past, steps, observed=seen) for name, network in networks.items()}
    for mean in means:
        parts = [forecasts[name] for name in mean.split("+")]
        forecasts[mean] = torch.stack(parts).mean(dim=0)
    first = next(iter(networks))
    compared = networks[first].compared(forecasts[first], clip.future, to_come, clip.faintest)
    found = {}
    for name, forecast in forecasts.items():
        error = (forecast.double() - compared.target).square() * compared.observed
        found[name] = torch.stack([error, compared.observed.double()]).sum(dim=(1, 2, 4, 5)).numpy()
    return found


def table(found: Sums, experiment: Experiment) -> str:
    """Lay the scores out as Markdown, a row a source and network."""
    events = experiment.model.exceedance_probability
    assert events is not None
    heads = [f"{dbz:g} dBZ" for dbz in events.thresholds_dbz]
    rows = ["| validated on | network | " + " | ".join(heads) + " |", "|---" * (2 + len(heads)) + "|"]
    for (source, name), (errors, pixels) in sorted(found.items()):
        told = [f"{1e4 * e / p:.2f}" if p else "" for e, p in zip(errors, pixels, strict=True)]
        rows.append(f"| {source} | {name} | " + " | ".join(told) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
