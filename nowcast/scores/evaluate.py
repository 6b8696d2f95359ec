"""Many scores at once: a tally that shares counts between metrics, adds up, and ends in a long table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nowcast.core.score_row import ScoreRow
from nowcast.core.text_table import csv_text
from nowcast.scores.base import Metric, Sums, add
from nowcast.scores.forecast_inputs import ForecastInputs

HEADER = ("model", "score", "threshold_dbz", "lead_minutes", "value")


class Tally:
    """Sums of many metrics over many forecasts of one model; its size does not grow with their number.

    Metrics with the same parameters that count the same (CSI and POD of one threshold) share one count.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = tuple(metrics)
        self._sums: dict[Any, Sums] = {}

    def add(
        self,
        forecast: Any,
        observed: Any,
        probabilities: Mapping[float, Any] | None = None,
        members: Any = None,
    ) -> None:
        """Count one pair of dBZ arrays (..., S, H, W); see `nowcast.scores.base.Metric.sums`.

        Scores of probabilities read those of their threshold from ``probabilities`` (dBZ -> array of the
        same shape), scores of ensembles ``members`` (member, ..., S, H, W); what is not there is made of what
        is (`nowcast.scores.forecast_inputs`).
        """
        inputs = ForecastInputs(forecast, probabilities, members)
        for key, metric in {counted_as(m): m for m in self.metrics}.items():
            self._sums[key] = add(self._sums.get(key, {}), metric.sums(inputs.of(metric), observed))

    @classmethod
    def restored(cls, metrics: Sequence[Metric], sums: Sequence[Sums]) -> Tally:
        """A tally that had counted these sums, those of each metric in order."""
        tally = cls(metrics)
        tally._sums = {counted_as(metric): own for metric, own in zip(tally.metrics, sums, strict=True)}
        return tally

    def merge(self, other: Tally) -> None:
        """Add what another tally of the same metrics has counted (another rank, year or machine)."""
        for key, sums in other._sums.items():
            self._sums[key] = add(self._sums.get(key, {}), sums)

    def sums(self, metric: Metric) -> Sums:
        """What was counted for one metric."""
        return self._sums[counted_as(metric)]

    def value(self, metric: Metric) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Finish one metric: (S,), NaN where nothing was counted."""
        return np.asarray(metric.value(self._sums[counted_as(metric)]), dtype=np.float64)

    def rows(
        self, model: str, lead_minutes: Sequence[float], metrics: Sequence[Metric] | None = None
    ) -> Iterator[ScoreRow]:
        """Every value of all metrics, or some, by lead time, then its mean over those where it is defined."""
        for metric in self.metrics if metrics is None else metrics:
            values = self.value(metric)
            threshold = getattr(metric, "threshold_dbz", None)
            for minutes, value in zip(lead_minutes, values, strict=True):
                yield ScoreRow(model, metric.name, threshold, float(minutes), float(value))
            defined = values[~np.isnan(values)]
            mean = float(defined.mean()) if len(defined) else float("nan")
            yield ScoreRow(model, metric.name, threshold, None, mean)


def scores_csv(rows: Iterable[ScoreRow]) -> str:
    """The long table as CSV.

    ``lead_minutes`` is ``mean`` for the mean over lead times; ``threshold_dbz`` is empty for scores of
    values rather than of events; an undefined value is ``nan``.
    """
    return csv_text([HEADER, *map(row_cells, rows)])


def row_cells(row: ScoreRow) -> tuple[str, ...]:
    """The cells of a row as CSV has them."""
    return (
        row.model,
        row.score,
        "" if row.threshold_dbz is None else f"{row.threshold_dbz:g}",
        "mean" if row.lead_minutes is None else f"{row.lead_minutes:g}",
        f"{row.value:.9g}",
    )


def counted_as(metric: Metric) -> Any:
    """What tells apart what is counted: the counting function and the metric's fields, its parameters."""
    return (type(metric).sums, tuple(sorted(vars(metric).items())))
