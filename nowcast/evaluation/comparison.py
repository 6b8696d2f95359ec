"""Each model of a verification against a reference: paired intervals, and skill horizons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nowcast.core.errors import SettingsError, complain
from nowcast.core.text_table import csv_text, text_table
from nowcast.evaluation.nowcast_sums import COMPARED
from nowcast.evaluation.period import CALIBRATED, Verification
from nowcast.report.content import FEW_BLOCKS, Comparison, IntervalRow, SkillHorizon
from nowcast.scores.confidence import Bootstrap, paired_difference, pooled_csi, pooled_interval, skill_horizon

HEADER = ("model", "reference", "measure", "threshold_dbz", "value", "low", "high", "blocks")
HORIZON_DBZ = 30.0
PREFERRED = "extrapolation"
"""The reference if nobody names one and it is among the models."""


@dataclass(frozen=True)
class Against:
    """What to compare with what."""

    reference: str | None = None
    """Name of a model; None for extrapolation, or the first where that is not among them."""
    horizon_dbz: float | None = None
    """Threshold of the skill horizon; None for 30 if it is scored."""
    horizon_csi: float = 0.25
    """The skill horizon ends where CSI falls under it."""
    how: Bootstrap = field(default_factory=Bootstrap)

    def check(self, models: Sequence[str], thresholds: Sequence[float]) -> None:
        """Refuse what cannot be compared, before anything is forecast.

        Raises:
            SettingsError: no such reference, a threshold that is not scored, a CSI out of range.
        """
        reference_of_each(models, self.reference)
        self.threshold(thresholds)
        skill_horizon(np.ones(1), [1.0], self.horizon_csi)

    def threshold(self, scored: Sequence[float]) -> float | None:
        """The threshold of the skill horizon, None for none.

        Raises:
            SettingsError: it is not scored.
        """
        if self.horizon_dbz is None:
            return HORIZON_DBZ if HORIZON_DBZ in scored else None
        if self.horizon_dbz not in scored:
            known = ", ".join(f"{t:g}" for t in scored)
            raise SettingsError(
                complain("--horizon", f"{self.horizon_dbz:g} dBZ", f"one of {known}", "add it to --thresholds")
            )
        return self.horizon_dbz


@dataclass(frozen=True)
class Confidence:
    """How sure the differences of a verification are, and how far its models reach."""

    comparisons: tuple[Comparison, ...]
    horizons: tuple[SkillHorizon, ...]
    csi: tuple[IntervalRow, ...] = ()
    """CSI of each model, threshold and lead time."""


def compare(found: Verification, against: Against | None = None) -> Confidence:
    """Compare each model with the reference on the counts of the same initialisation times.

    Like with like: a calibrated model is compared with the calibrated reference where there is one, so
    that choosing decision thresholds is not taken for skill. A reference that is itself calibrated is that of
    all.

    Raises:
        SettingsError: no such reference, a threshold that was not scored, a CSI out of range.
    """
    against = against or Against()
    pairs = reference_of_each(found.models, against.reference)
    comparisons = []
    for score in (score for score in COMPARED if score in found.sums[found.models[0]]):
        for model, reference in pairs.items():
            pair = found.sums[model][score], found.sums[reference][score]
            drawn = paired_difference(*pair, found.reference_times, against.how, COMPARED[score].finish)
            thresholds: Sequence[float | None] = found.thresholds if COMPARED[score].of_events else (None,)
            comparisons += [
                Comparison(
                    model,
                    reference,
                    threshold,
                    float(value),
                    float(low),
                    float(high),
                    drawn.blocks,
                    against.how.block_hours,
                    against.how.resamples,
                    against.how.confidence,
                    score,
                    against.how.storms,
                )
                for threshold, value, low, high in zip(thresholds, *drawn[:3], strict=True)
            ]
    return Confidence(tuple(comparisons), tuple(_horizons(found, against)), _csi_by_lead(found, against))


def reference_of_each(models: Sequence[str], asked: str | None) -> dict[str, str]:
    """For each model but the reference, what it is compared with.

    Raises:
        SettingsError: the reference is none of the models.
    """
    if asked is not None and asked not in models:
        raise SettingsError(
            complain("--reference", f"'{asked}'", f"one of {', '.join(models)}", "choose one that is scored")
        )
    reference = asked or (PREFERRED if PREFERRED in models else models[0])
    calibrated = reference + CALIBRATED
    there = calibrated in models
    return {
        model: calibrated if there and model.endswith(CALIBRATED) and model != calibrated else reference
        for model in models
        if model != reference
    }


def confidence_csv(found: Confidence) -> str:
    """The text of ``confidence.csv``: a line a model, reference and threshold, then a line a model.

    ``csi_difference`` is the difference of mean CSI with the ends of its interval, ``nan`` where there is
    none; so are those of other scores that were asked for (`nowcast.evaluation.nowcast_sums.COMPARED`), of all
    thresholds together where ``threshold_dbz`` is empty. ``csi_at_M_min`` is the CSI of a model itself at a
    lead time of M minutes. ``skill_horizon_minutes_csi_C`` is the lead time at which CSI falls under C: ``inf``
    if it does not.
    """
    lines: list[Sequence[object]] = [HEADER]
    for c in found.comparisons:
        numbers = [f"{v:.9g}" for v in (c.difference, c.low, c.high)]
        threshold = "" if c.threshold_dbz is None else f"{c.threshold_dbz:g}"
        lines.append([c.model, c.reference, f"{c.score}_difference", threshold, *numbers, c.blocks])
    for row in found.csi:
        numbers = [f"{v:.9g}" for v in (row.value, row.low, row.high)]
        measure = f"csi_at_{row.lead_minutes:g}_min"
        lines.append([row.model, "", measure, f"{row.threshold_dbz:g}", *numbers, row.blocks])
    for h in found.horizons:
        measure = f"skill_horizon_minutes_csi_{h.csi:g}"
        lines.append([h.model, "", measure, f"{h.threshold_dbz:g}", f"{h.minutes:.9g}", "", "", ""])
    return csv_text(lines)


def confidence_text(found: Confidence) -> str:
    """The same as plain text, one row a pair."""
    lines = []
    for score in dict.fromkeys(c.score for c in found.comparisons):
        lines.append(_differences_text([c for c in found.comparisons if c.score == score]))
    if found.comparisons and found.comparisons[0].blocks < FEW_BLOCKS:
        few = found.comparisons[0].blocks
        blocks = f"{few} block{'' if few == 1 else 's'} of initialisation times"
        lines.append(f"warning: intervals come from {blocks}; under {FEW_BLOCKS} they are rather too narrow")
    if found.horizons:
        first = found.horizons[0]
        times = "; ".join(f"{h.model} {_minutes(h)}" for h in found.horizons)
        lines.append(f"skill horizon, where CSI{first.threshold_dbz:g} falls under {first.csi:g}: {times}")
    return "\n".join(lines)


def _differences_text(comparisons: Sequence[Comparison]) -> str:
    """One row a pair, one score at all its thresholds."""
    how = comparisons[0]
    label = how.score.upper() if how.score == "csi" else how.score
    s = "" if how.blocks == 1 else "s"
    blocks = f"{how.blocks} storm{s}" if how.storms else f"{how.blocks} block{s} of {how.block_hours:g} h"
    head = f"{label} less that of the reference [{how.confidence:.0%} interval, bootstrap of {blocks}]"
    thresholds = list(dict.fromkeys(c.threshold_dbz for c in comparisons))
    rows = [["model", "reference", *(label if t is None else f"{label}{t:g}" for t in thresholds)]]
    for model, reference in dict.fromkeys((c.model, c.reference) for c in comparisons):
        rows.append(
            [
                model,
                reference,
                *(_interval(c) for c in comparisons if (c.model, c.reference) == (model, reference)),
            ]
        )
    return f"{head}\n{text_table(rows, left=len(rows[0]))}"


def _csi_by_lead(found: Verification, against: Against) -> tuple[IntervalRow, ...]:
    rows: list[IntervalRow] = []
    for model in found.models:
        drawn = pooled_interval(found.counts[model], found.reference_times, against.how)
        for k, threshold in enumerate(found.thresholds):
            rows += [
                IntervalRow(model, threshold, lead, float(value), float(low), float(high), drawn.blocks)
                for lead, value, low, high in zip(found.lead_minutes, *(a[k] for a in drawn[:3]), strict=True)
            ]
    return tuple(rows)


def _horizons(found: Verification, against: Against) -> list[SkillHorizon]:
    threshold = against.threshold(found.thresholds)
    if threshold is None:
        return []
    k = found.thresholds.index(threshold)
    leads = found.lead_minutes
    pooled = {model: pooled_csi(found.counts[model].sum(axis=0))[k] for model in found.models}
    return [
        SkillHorizon(
            model, threshold, against.horizon_csi, skill_horizon(values, leads, against.horizon_csi), leads[-1]
        )
        for model, values in pooled.items()
    ]


def _interval(found: Comparison) -> str:
    if math.isnan(found.difference):
        return "-"
    if math.isnan(found.low):
        return f"{found.difference:+.3f} [undefined]"
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _minutes(found: SkillHorizon) -> str:
    if math.isnan(found.minutes):
        return "undefined"
    return f"not up to {found.longest:g} min" if math.isinf(found.minutes) else f"{found.minutes:.0f} min"
