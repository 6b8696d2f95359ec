#!/usr/bin/env python3
"""Brier scores and CSI of networks and of means of them on the validation clips of an experiment, by source.

    python scripts/validate_networks.py configs/experiment/europe_motionrnn.yaml \
        --networks motionrnn=runs/europe_motionrnn/v0/best.ckpt unet=runs/europe_context_unet/v0/best.ckpt \
        --clips 60 [--set data.sources.0.settings.path=...]

What a change of the training brings is seen here without calibration and without start times of whole days:
every network forecasts the same clips. ``a+b`` names the mean of the probabilities of two that are given.
Networks have the window and scaling of the experiment and its thresholds, perhaps others between them.

Prints Markdown tables: Brier scores in units of 1e-4; CSI, the mean over lead times, where an event is forecast
from a probability of 0.5 on, and from the probability on that was best, for each threshold and lead time, on
every other clip (chosen on one half, counted on the other, both ways round). Then how each differs from the
first network, with 95 % intervals of a bootstrap over blocks of six hours.

Dimensions: N clips, K thresholds, S lead times, L candidates of a decision threshold.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from nowcast.core.errors import NowcastError, SettingsError
from nowcast.models.base import ClipBatch
from nowcast.models.checkpoint import LoadedNetwork, load_network
from nowcast.scores.arrays import ratio
from nowcast.scores.confidence import mean_over_leads, paired_difference, pooled_csi
from nowcast.scores.decision import ProbabilityDecisionCounts
from nowcast.training.data_module import collate
from nowcast.training.experiment import Experiment, read_experiment
from nowcast.workflows.training_data import open_data

Sums = npt.NDArray[np.float64]


class Counted(NamedTuple):
    """What one network earned on one clip."""

    time: np.datetime64
    squares: Sums
    """Squared errors and pixels, over all lead times: (K, 1, 2)."""
    decisions: ProbabilityDecisionCounts


Found = dict[tuple[str, str], list[Counted]]
"""(source, network) -> clips."""


def main() -> int:
    """Score every network on every clip; print the tables."""
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
        networks = {name: load_network(path) for name, path in files.items()}
        found = score(experiment, networks, means, args.clips)
    except NowcastError as error:
        print(f"validate_networks: {error}", file=sys.stderr)
        return 2
    for title, sums, finish, form in SCORES:
        print(f"\n{title}\n")
        print("\n".join(table(found, thresholds_of(experiment), sums, finish, form)))
    return 0


def thresholds_of(experiment: Experiment) -> tuple[float, ...]:
    """The events of an experiment, in dBZ."""
    assert experiment.model.exceedance_probability is not None
    return experiment.model.exceedance_probability.thresholds_dbz


def score(experiment: Experiment, networks: dict[str, LoadedNetwork], means: list[str], clips: int) -> Found:
    """Let all networks forecast clips; count them."""
    data, wanted = open_data(experiment).clips.validation, thresholds_of(experiment)
    places = {name: _places(name, network, wanted) for name, network in networks.items()}
    count = min(clips, len(data))
    found: Found = defaultdict(list)
    for index in tqdm([i * len(data) // count for i in range(count)], desc="score", unit="clip"):
        clip, source = collate([data[index]]), Path(data.source_name(index)).stem
        forecasts, events, known = _forecasts(clip, networks, places)
        for mean in means:
            forecasts[mean] = torch.stack([forecasts[name] for name in mean.split("+")]).mean(dim=0)
        for name, forecast in forecasts.items():
            counted = Counted(data.reference_time(index), *_count(forecast, events, known))
            found[source, name].append(counted)
    return found


def _places(name: str, network: LoadedNetwork, wanted: tuple[float, ...]) -> list[int]:
    """Where the wanted events stand among those of a network."""
    events = network.meta.exceedance_probability
    own = events.thresholds_dbz if events is not None else ()
    if lacking := set(wanted) - set(own):
        raise SettingsError(
            f"{name}: got events {list(own)} dBZ, expected also {sorted(lacking)}; leave it out"
        )
    return [own.index(dbz) for dbz in wanted]


@torch.inference_mode()
def _forecasts(
    clip: ClipBatch, networks: dict[str, LoadedNetwork], places: dict[str, list[int]]
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Forecast one clip: probabilities of each network, events and where they are known, all (S, K, H, W)."""
    length, steps = clip.past.shape[1], clip.future.shape[1]
    seen, to_come = clip.observed[:, :length], clip.observed[:, length:]
    forecasts: dict[str, Tensor] = {}
    events = known = torch.empty(0)
    for name, (network, _, _) in networks.items():
        forecast = network(clip.past, steps, observed=seen)
        if not forecasts:
            compared = network.compared(forecast, clip.future, to_come, clip.faintest)
            events, known = (part[0, :, places[name]] for part in (compared.target, compared.observed))
        forecasts[name] = forecast[0, :, places[name]]
    return forecasts, events, known


def _count(forecast: Tensor, events: Tensor, known: Tensor) -> tuple[Sums, ProbabilityDecisionCounts]:
    squares = (forecast.double() - events).square() * known
    sums = torch.stack([squares, known.double()], dim=-1).sum(dim=(0, 2, 3))[:, None].numpy()
    # How many events are reached, in place of dBZ: they are nested.
    reached = torch.where(known.any(dim=1), events.sum(dim=1), torch.nan).numpy()
    decisions = ProbabilityDecisionCounts([k + 0.5 for k in range(events.shape[1])], events.shape[0])
    decisions.add(forecast.transpose(0, 1).numpy(), reached)
    return sums, decisions


def squares(clips: list[Counted]) -> Sums:
    """Squared errors and pixels (N, K, 1, 2)."""
    return np.stack([clip.squares for clip in clips])


def brier(sums: Sums) -> Sums:
    """Brier scores in units of 1e-4."""
    return np.asarray(1e4 * ratio(sums[..., 0], sums[..., 1]))


def at_half(clips: list[Counted]) -> Sums:
    """Hits, misses and false alarms (N, K, S, 3) of what is forecast from a probability of 0.5 on."""
    half = np.full(clips[0].decisions.choose().thresholds.shape, 0.5)
    return _counts(clips, [half] * len(clips))


def at_chosen(clips: list[Counted]) -> Sums:
    """The same at the decision thresholds that were best on every other clip."""
    chosen = []
    for half in (0, 1):
        pooled = ProbabilityDecisionCounts(*_like(clips[0].decisions))
        for clip in clips[1 - half :: 2]:
            pooled.merge(clip.decisions)
        chosen.append(pooled.choose().thresholds)
    return _counts(clips, [chosen[number % 2] for number in range(len(clips))])


def _like(decisions: ProbabilityDecisionCounts) -> tuple[list[float], int]:
    return decisions.thresholds.tolist(), decisions.choose().thresholds.shape[1]


def _counts(clips: list[Counted], thresholds: list[Sums]) -> Sums:
    counts = [clip.decisions.at(chosen) for clip, chosen in zip(clips, thresholds, strict=True)]
    told = squares(clips)[..., 1:] > 0  # (N, K, 1, 1)
    return np.stack(counts).astype(np.float64) * told


def table(
    found: Found,
    thresholds: tuple[float, ...],
    sums: Callable[[list[Counted]], Sums],
    finish: Callable[[Sums], Sums],
    form: str,
) -> Iterator[str]:
    """Lay a score out as Markdown, a row a source and network, then a row a difference to the first network."""
    yield "| validated on | network | " + " | ".join(f"{dbz:g} dBZ" for dbz in thresholds) + " |"
    yield "|---" * (2 + len(thresholds)) + "|"
    first = next(name for _, name in found)
    of = {key: sums(clips) for key, clips in found.items()}
    for (source, name), counts in sorted(of.items()):
        values = mean_over_leads(finish(counts.sum(axis=0)))
        yield _row(source, name, [_told(form, value) for value in values])
    for (source, name), clips in sorted(found.items()):
        if name != first:
            times = np.array([clip.time for clip in clips])
            spans = paired_difference(of[source, name], of[source, first], times, finish=finish)
            cells = [_with_interval("+" + form, *span) for span in zip(*spans[:3], strict=True)]
            yield _row(source, f"{name} - {first}", cells)


def _row(*cells: str | list[str]) -> str:
    flat = [text for cell in cells for text in (cell if isinstance(cell, list) else [cell])]
    return "| " + " | ".join(flat) + " |"


def _with_interval(form: str, value: float, low: float, high: float) -> str:
    return _told(form, value) + ("" if np.isnan(low) else f" [{low:{form}}, {high:{form}}]")


def _told(form: str, value: float) -> str:
    return "" if np.isnan(value) else format(value, form)


SCORES: tuple[tuple[str, Callable[[list[Counted]], Sums], Callable[[Sums], Sums], str], ...] = (
    ("Brier score, 1e-4", squares, brier, ".2f"),
    ("CSI from a probability of 0.5 on", at_half, pooled_csi, ".4f"),
    ("CSI at decision thresholds chosen on every other clip", at_chosen, pooled_csi, ".4f"),
)
"""Title, sums of clips, what finishes them, how they are written."""


if __name__ == "__main__":
    sys.exit(main())
