"""Tables of a comparison of scripts/compare_skill.py, by country and season: for cards and the page of skill.

Dimensions of a table: a line a group of starts; columns are thresholds in dBZ or tenths of probability.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from skill_cells import Row, interval, number, rows

THRESHOLDS = ("20", "30", "35", "40", "45")
BRIER = ("20", "30", "40")
LEAST_SHARE = 0.001
"""Tenths of probability with a smaller share of all cases are left empty."""
GROUP = "group.json"
COMMON = "-common"
"""End of the name of a folder with the starts that all models of a group have in common."""


class GroupOfStarts(NamedTuple):
    """What one folder of a comparison holds."""

    name: str
    about: dict[str, Any]
    """``title``, ``country``, ``season`` and ``nowcasts``."""
    scores: list[Row]
    confidence: list[Row]
    reliability: list[Row]

    def mean(self, model: str, score: str, threshold: str = "") -> float:
        """A score, mean over lead times; NaN where it is not there."""
        return self._score(model, score, threshold, "mean")

    def last(self, model: str, score: str, threshold: str = "") -> float:
        """A score at the last lead time; NaN where it is not there."""
        leads = {r["lead_minutes"] for r in self.scores} - {"mean"}
        return self._score(model, score, threshold, max(leads, key=float, default=""))

    def _score(self, *key: str) -> float:
        names = ("model", "score", "threshold_dbz", "lead_minutes")
        return next((float(r["value"]) for r in self.scores if tuple(r[n] for n in names) == key), math.nan)

    def difference(self, model: str, score: str, threshold: str) -> Row | None:
        """The line of a difference from the reference."""
        key = (model, f"{score}_difference", threshold)
        names = ("model", "measure", "threshold_dbz")
        return next((r for r in self.confidence if tuple(r[n] for n in names) == key), None)

    def horizon(self, model: str) -> float:
        """The skill horizon in minutes; NaN where it is not there."""
        found = (r for r in self.confidence if r["model"] == model and r["measure"].startswith("skill_horizon"))
        return next((float(r["value"]) for r in found), math.nan)

    @property
    def models(self) -> list[str]:
        """In the order of the files."""
        return list(dict.fromkeys(r["model"] for r in self.scores))

    @property
    def reference(self) -> str:
        """From which differences are taken; empty where there are none."""
        return next((r["reference"] for r in self.confidence if r["reference"]), "")


def groups_of(place: Path, model: str | None = None) -> list[GroupOfStarts]:
    """The groups of a comparison, by name: with all starts where the model was counted on them, else in common.

    Raises:
        OSError: there is none in which the model was counted.
    """
    found = [
        GroupOfStarts(
            path.parent.name,
            json.loads(path.read_text(encoding="utf-8")),
            *(rows(path.parent / f"{file}.csv") for file in ("scores", "confidence", "reliability")),
        )
        for path in sorted(place.glob(f"*/{GROUP}"))
    ]
    found = [one for one in found if model is None or model in one.models]
    whole = {one.name for one in found}
    found = [one for one in found if one.name.removesuffix(COMMON) not in whole - {one.name}]
    if not found:
        raise FileNotFoundError(f"{place}: no group of a comparison with {model or 'any model'}")
    return found


def beside_one(groups: list[GroupOfStarts]) -> list[GroupOfStarts]:
    """Those of the groups that have the reference which most have."""
    every = [group.reference for group in groups if group.reference]
    return [group for group in groups if every and group.reference == max(every, key=every.count)]


def by_country(groups: list[GroupOfStarts], model: str) -> list[str]:
    """A line a group: CSI of a model and its difference from the reference, skill horizon of both."""
    head = ["country, season", "nowcasts", *(f"CSI{t}" for t in THRESHOLDS), "horizon of CSI30 = .25"]
    return table(head, [_country(one, model) for one in groups])


def _country(group: GroupOfStarts, model: str) -> list[str]:
    cells = []
    for threshold in THRESHOLDS:
        row = group.difference(model, "csi", threshold)
        difference = "" if row is None else f"; {interval(row)}"
        cells.append(f"{number(group.mean(model, 'csi', threshold), 3)}{difference}")
    own, other = (_minutes(group.horizon(name)) for name in (model, group.reference))
    horizons = f"{own} ({group.reference} {other})"
    return [place_of(group), str(group.about["nowcasts"]), *cells, horizons]


def brier(groups: list[GroupOfStarts], model: str | None = None) -> list[str]:
    """A line a group and forecaster: Brier skill, power; of one model those beside S-PROG and STEPS alone.

    Power is told as the mean over lead times and, after the comma, at the last one.
    """
    lines = []
    for group in groups:
        for name in group.models:
            if model in (None, name) or name in ("sprog", "steps"):
                values = [number(group.mean(name, "brier_skill", t), 3) for t in BRIER]
                power = [_power(group, name, s) for s in ("rapsd_ratio", "rapsd_ratio_members")]
                lines.append([place_of(group), str(group.about["nowcasts"]), name, *values, *power])
    heads = (*(f"Brier skill {t} dBZ" for t in BRIER), "power at 8-16 km, last lead", "of members, last lead")
    return table(["country, season", "nowcasts", "model", *heads], lines)


def _power(group: GroupOfStarts, model: str, score: str) -> str:
    """Mean over lead times and at the last; "-" where it was not counted."""
    mean = number(group.mean(model, score), 2)
    return mean if mean == "-" else f"{mean}, {number(group.last(model, score), 2)}"


def reliability(groups: list[GroupOfStarts], model: str) -> list[str]:
    """A line a group and threshold: how often the event came in each tenth of probability, in percent."""
    lines = []
    for group in groups:
        own = [r for r in group.reliability if r["model"] == model]
        for threshold in dict.fromkeys(r["threshold_dbz"] for r in own):
            bins = [r for r in own if r["threshold_dbz"] == threshold]
            total = sum(float(r["pixels"]) for r in bins)
            cells = [""] * 10
            for r in bins:
                if float(r["pixels"]) >= LEAST_SHARE * total:
                    cells[min(int(10 * float(r["forecast"])), 9)] = f"{100 * float(r['observed']):.0f}"
            lines.append([place_of(group), f"{threshold} dBZ", *cells])
    tenths = [f"{10 * k}-{10 * k + 10} %" for k in range(10)]
    return table(["came in % of cases", "event", *tenths], lines)


def behind(groups: list[GroupOfStarts], model: str) -> Iterator[str]:
    """Where the reference is ahead, in words; nothing where it is not."""
    for group in groups:
        for threshold in THRESHOLDS:
            row = group.difference(model, "csi", threshold)
            if row is not None and float(row["value"]) < 0:
                yield (
                    f"- {place_of(group)}, {threshold} dBZ: CSI {interval(row)} less {row['reference']} "
                    f"({group.about['nowcasts']} nowcasts)."
                )


def place_of(group: GroupOfStarts) -> str:
    """Country and season of a group."""
    return f"{group.about['country']}, {group.about['season']}"


def table(head: list[str], lines: list[list[str]]) -> list[str]:
    """Lines of a table in Markdown."""
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)]


def _minutes(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "not reached" if math.isinf(value) else f"{value:.0f} min"
