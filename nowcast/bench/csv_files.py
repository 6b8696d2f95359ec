"""The tables of a benchmark as CSV, with every digit and in the units of the scores."""

from __future__ import annotations

import math
import statistics

from nowcast.bench.benchmark import COSTS, Benchmark
from nowcast.bench.outcome import BenchmarkOutcome
from nowcast.bench.records import finite_mean
from nowcast.bench.shown import finite, shown_name
from nowcast.bench.tables import origin_cells
from nowcast.core.text_table import csv_text


def wide_csv(bench: Benchmark, outcome: BenchmarkOutcome) -> str:
    """One line a row of the table: means, spreads, last thirds, `leads`, what is reported, costs, origin."""
    heads = ["row"]
    for name in bench.scores:
        heads += [name, f"{name}_spread", f"{name}_last_third", f"{name}_reported"]
        for lead in bench.leads:
            heads += [f"{name} {lead}", f"{name} {lead}_reported"]
    for name in COSTS:
        heads += [name, f"{name}_reported"]
    heads += [
        "machine",
        "seeds",
        "iterations",
        "train_seconds",
        "configuration",
        "train_data",
        "test_data",
        "commit",
        "checkpoints",
    ]
    lines: list[list[str]] = [heads]
    for line in outcome.lines:
        cells, reported = [shown_name(line)], bench.reported_of(line.row)
        for name in bench.scores:
            means = finite(r.mean(name) for r in line.records)
            spread = statistics.stdev(means) if len(means) > 1 else math.nan
            late = finite_mean([r.late(name) for r in line.records])
            cells += [_exact(v) for v in (finite_mean(means), spread, late, reported.get(("", name)))]
            for lead, (first, last) in bench.leads.items():
                value = finite_mean([r.over(name, slice(first - 1, last)) for r in line.records])
                cells += [_exact(value), _exact(reported.get((lead, name)))]
        for name in COSTS:
            cells += [_exact(getattr(line.costs, name, None)), _exact(reported.get(("", name)))]
        cells += [line.costs.machine if line.costs is not None else "", *origin_cells(line.records, " ")]
        lines.append(cells)
    return csv_text(lines)


def long_csv(bench: Benchmark, outcome: BenchmarkOutcome) -> str:
    """Every value: row, seed, score, lead time in frames (or mean, last_third), value."""
    lines = [["row", "seed", "score", "lead", "value"]]
    for line in outcome.lines:
        for record in line.records:
            seed = "" if record.seed is None else str(record.seed)
            for name in bench.scores:
                values = record.values(name)
                told = [(str(i + 1), v) for i, v in enumerate(values)] if len(values) > 1 else []
                told += [("mean", record.mean(name)), ("last_third", record.late(name))]
                told += [(lead, record.over(name, slice(a - 1, b))) for lead, (a, b) in bench.leads.items()]
                lines += [[shown_name(line), seed, name, lead, _exact(value) or "nan"] for lead, value in told]
    return csv_text(lines)


def _exact(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.9g}"
