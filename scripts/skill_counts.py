"""What scripts/compare_skill.py counts of one start, how it is kept, and the tables of many starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from comparison_tables import COMMON, GROUP

from nowcast.core.files import whole_file
from nowcast.core.text_table import csv_text, text_table
from nowcast.evaluation.comparison import Against, compare, confidence_csv
from nowcast.evaluation.nowcast_sums import NowcastSums
from nowcast.evaluation.period import Verification
from nowcast.scores.base import Metric, Sums, add
from nowcast.scores.catalog import build_metrics
from nowcast.scores.evaluate import Tally, scores_csv
from nowcast.scores.probability_classes import Reliability
from nowcast.scores.spectral import RapsdRatio

THRESHOLDS = (20.0, 30.0, 35.0, 40.0, 45.0)
SCORES = ("csi", "bias", "mae", "rapsd_ratio", "brier", "brier_skill", "reliability")
MEMBERS_FOR_POWER = 4
"""Members of which the power at 8 to 16 km is taken; that of others differs little."""
STARTS_FOR_POWER = 6
BINS = ("model", "threshold_dbz", "forecast", "observed", "pixels")
MEMBERS_POWER = "rapsd_ratio_members"


class Counted(NamedTuple):
    """What was counted of one start."""

    sums: list[Sums]
    """Of each metric, in order."""
    power: Sums
    """Power of members and of what was observed; none without members."""
    seconds: float


def metrics_of(cell_km: tuple[float, float]) -> list[Metric]:
    """What is counted."""
    return build_metrics(THRESHOLDS, SCORES, cell_km)


def write_counted(path: Path, counted: Counted) -> None:
    """Keep what was counted of one start."""
    arrays: dict[str, Any] = {
        f"{i}/{key}": value for i, own in enumerate(counted.sums) for key, value in own.items()
    }
    arrays |= {f"power/{key}": value for key, value in counted.power.items()}
    save: Any = np.savez
    with whole_file(path) as temporary, temporary.open("wb") as file:
        save(file, seconds=np.asarray(counted.seconds), **{k: np.asarray(v) for k, v in arrays.items()})


def read_counted(path: Path) -> Counted | None:
    """Read it; None where it was not counted."""
    if not path.is_file():
        return None
    with np.load(path) as file:
        found = {key: file[key] for key in file.files}
    seconds = float(found.pop("seconds"))
    parts: dict[str, Sums] = {}
    for key, value in found.items():
        number, _, name = key.partition("/")
        parts.setdefault(number, {})[name] = value
    power = parts.pop("power", {})
    return Counted([parts[str(i)] for i in range(len(parts))], power, seconds)


def write_tables(
    out: Path,
    group: str,
    counted: Mapping[str, Mapping[np.datetime64, Counted | None]],
    lead_minutes: tuple[float, ...],
    cell_km: tuple[float, float],
    reference: str,
    about: Mapping[str, str],
) -> None:
    """Write the two folders of a group, and print their means and differences."""
    there = {name: {at: one for at, one in own.items() if one is not None} for name, own in counted.items()}
    every = set(next(iter(counted.values())))
    whole = {name: own for name, own in there.items() if set(own) == every}
    some = {name: own for name, own in there.items() if own}
    folders = {group: whole}
    if len(some) > len(whole):
        common = set.intersection(*(set(own) for own in some.values()))
        folders[group + COMMON] = {name: {at: own[at] for at in common} for name, own in some.items()}
    for folder, models in folders.items():
        if any(models.values()):
            found = verification_of(models, lead_minutes, cell_km)
            _write(out / folder, found, reference if reference in models else None, about)


def verification_of(
    models: Mapping[str, Mapping[np.datetime64, Counted]],
    lead_minutes: tuple[float, ...],
    cell_km: tuple[float, float],
) -> Verification:
    """The verification that the counts of the same starts of several models are."""
    metrics = metrics_of(cell_km)
    starts = sorted({at for own in models.values() for at in own})
    rows, sums, tallies, seconds = [], {}, {}, {}
    for name, own in models.items():
        total, each, power = Tally(metrics), NowcastSums(metrics), Sums()
        for at in starts:
            one = Tally.restored(metrics, own[at].sums)
            total.merge(one)
            each.add(one)
            power = add(power, own[at].power)
        rows += list(total.rows(name, lead_minutes))
        if power:
            of_members = Tally.restored([RapsdRatio(cell_km=cell_km)], [power])
            rows += [row._replace(score=MEMBERS_POWER) for row in of_members.rows(name, lead_minutes)]
        sums[name], tallies[name] = each.stacked(), total
        seconds[name] = float(np.mean([own[at].seconds for at in starts]))
    return Verification(
        rows=rows,
        models=tuple(models),
        lead_minutes=lead_minutes,
        reference_times=np.array(starts, "datetime64[ns]"),
        wet_pixels=np.zeros(len(starts), np.int64),
        too_dry=0,
        cells={},
        block=1,
        seconds=seconds,
        thresholds=THRESHOLDS,
        sums=sums,
        tallies=tallies,
    )


def _write(place: Path, found: Verification, reference: str | None, about: Mapping[str, str]) -> None:
    sure = compare(found, Against(reference))
    texts = {
        GROUP: json.dumps({**about, "nowcasts": found.nowcasts}, indent=1) + "\n",
        "scores.csv": scores_csv(found.rows),
        "confidence.csv": confidence_csv(sure),
        "reliability.csv": csv_text([BINS, *_bins(found)]),
        "times.csv": csv_text([("model", "seconds"), *((m, f"{s:.3g}") for m, s in found.seconds.items())]),
    }
    for name, text in texts.items():
        with whole_file(place / name) as path:
            path.write_text(text, encoding="utf-8")
    means = {row[:3]: row.value for row in found.rows if row.lead_minutes is None}
    table = [["model", *(f"{score}{t:g}" for score in ("CSI", "BSS") for t in THRESHOLDS), "power", "members'"]]
    for model in found.models:
        scores = [means[model, s, t] for s in ("csi", "brier_skill") for t in THRESHOLDS]
        scores += [means.get((model, s, None), float("nan")) for s in ("rapsd_ratio", MEMBERS_POWER)]
        table.append([model, *(f"{value:.3f}" for value in scores)])
    print(f"{place.name}: {found.nowcasts} nowcasts\n{text_table(table)}")
    for c in sure.comparisons:
        if c.score in ("csi", "brier_skill"):
            print(
                f"  {c.model} less {c.reference}: {c.score} {c.threshold_dbz:g} {c.difference:+.3f} "
                f"[{c.low:+.3f}, {c.high:+.3f}] ({c.blocks} blocks)"
            )
    for h in sure.horizons:
        print(f"  skill horizon of {h.model}: {h.minutes:.0f} min")


def _bins(found: Verification) -> list[tuple[object, ...]]:
    """Mean probability, frequency and cases of each tenth, lead times pooled."""
    rows: list[tuple[object, ...]] = []
    for model, tally in found.tallies.items():
        for metric in tally.metrics:
            if isinstance(metric, Reliability):
                pooled = {k: np.asarray(v).sum(axis=0, keepdims=True) for k, v in tally.sums(metric).items()}
                forecast, observed, pixels = (np.asarray(part)[:, 0] for part in metric.diagram(pooled))
                rows += [
                    (model, f"{metric.threshold_dbz:g}", f"{f:.4f}", f"{o:.4f}", f"{n:.0f}")
                    for f, o, n in zip(forecast, observed, pixels, strict=True)
                    if n
                ]
    return rows
