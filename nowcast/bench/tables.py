"""The tables of a benchmark: scores beside what the paper reports, costs, and where each row comes from."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from nowcast.bench.benchmark import COSTS, Benchmark
from nowcast.bench.records import Record, finite_mean
from nowcast.bench.run import BenchmarkOutcome, TableLine
from nowcast.core.text_table import csv_text
from nowcast.report.bench_page import Chart
from nowcast.report.content import Cell, Table
from nowcast.scores.protocols import PROTOCOLS

NOT_COMPUTED = "not computed"
DASH = "-"
_COST_HEADS = {
    "parameters": "parameters",
    "multiply_accumulates": "GMAC a sequence",
    "seconds": "s a forecast",
    "frames_per_second": "frames/s",
    "memory_mb": "MB",
}


def tables_of(bench: Benchmark, outcome: BenchmarkOutcome) -> list[Table]:
    """All tables: scores, scores of the last third of the lead times, costs, origin."""
    steps = bench.data.window.future
    seeds = " and, in brackets, each seed" if any(len(line.records) > 1 for line in outcome.lines) else ""
    told = f"mean over {steps} lead times{seeds}"
    late = f"mean over the last {max(1, steps // 3)} of {steps} lead times{seeds}"
    return [
        _scores(f"Scores, {told}", bench, outcome.lines, Record.mean, reported=True),
        _scores(f"Scores, {late}", bench, outcome.lines, Record.late, reported=False),
        _costs(outcome.lines),
        _origin(outcome.lines),
    ]


def sentences(bench: Benchmark, outcome: BenchmarkOutcome) -> list[str]:
    """How the numbers were made, one sentence each."""
    window = bench.data.window
    clips = max((r.test_clips for line in outcome.lines for r in line.records), default=0)
    found = [
        f"{window.past} frames given, {window.future} forecast; {clips} test clips; frames clamped to [0, 1].",
        "The checkpoint of each run is the one that is best on validation; the test clips are read after all "
        "training is over.",
    ]
    found += [f"{name}: {PROTOCOLS[name].text}." for name in bench.scores]
    if any(line.row.reported for line in outcome.lines):
        found.append("Reported: as the paper prints it, made by others on their data; never mixed with ours.")
    if machines := sorted({line.costs.machine for line in outcome.lines if line.costs is not None}):
        found.append(
            f"Times: median at batch 1 on {', '.join(machines)}; frames/s with 8 sequences at a time; "
            "memory above the weights at batch 1, in 10^6 bytes; GMAC: 10^9 multiply-accumulates."
        )
    for line in outcome.lines:
        if line.costs is not None and line.costs.uncounted:
            found.append(f"{line.row.name}: no GMAC and MB: {line.costs.uncounted}.")
    found += [line.row.drawn.sentence(line.row.name) for line in outcome.lines if _drawn(line)]
    return [*found, *bench.notes]


def charts_of(bench: Benchmark, outcome: BenchmarkOutcome) -> list[Chart]:
    """Each score over lead time, the mean over seeds; scores of whole videos have none."""
    found = []
    for name in bench.scores:
        lines = {}
        for line in outcome.lines:
            seeds = [values for r in line.records if len(values := r.values(name)) > 1]
            if seeds:
                lines[shown_name(line)] = [statistics.fmean(step) for step in zip(*seeds, strict=True)]
        if lines:
            found.append(Chart(name, lines))
    return found


def markdown(bench: Benchmark, outcome: BenchmarkOutcome, pictures: Sequence[str] = ()) -> str:
    """Everything as Markdown.

    Args:
        bench: what was asked.
        outcome: what there is.
        pictures: paths of the pictures, relative to the file.
    """
    parts = [f"# {_plain(bench.title)}"]
    parts += [_plain(text) for text in (bench.paper, bench.question) if text]
    for table in tables_of(bench, outcome):
        lines = [
            _row([_plain(cell.text) for cell in table.header]),
            _row(["---"] * len(table.header)),
            *(_row([f"**{_plain(c.text)}**" if c.best else _plain(c.text) for c in row]) for row in table.rows),
        ]
        parts += [f"## {_plain(table.caption)}", "\n".join(lines)]
    parts.append("\n".join(f"- {_plain(text)}" for text in sentences(bench, outcome)))
    if outcome.missing:
        told = [f"- {_plain(text)}" for text in outcome.missing]
        parts.append("\n".join(["## Not whole yet", "", *told]))
    parts += [f"![Predicted frames]({path})" for path in pictures]
    return "\n\n".join(parts) + "\n"


def wide_csv(bench: Benchmark, outcome: BenchmarkOutcome) -> str:
    """One line a row of the table: means, spreads, last thirds, what is reported, costs, origin."""
    heads = ["row"]
    for name in bench.scores:
        heads += [name, f"{name}_spread", f"{name}_last_third", f"{name}_reported"]
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
        cells = [shown_name(line)]
        for name in bench.scores:
            means = _finite(r.mean(name) for r in line.records)
            spread = statistics.stdev(means) if len(means) > 1 else math.nan
            late = finite_mean([r.late(name) for r in line.records])
            cells += [_exact(v) for v in (finite_mean(means), spread, late, line.row.reported.get(name))]
        for name in COSTS:
            cells += [_exact(getattr(line.costs, name, None)), _exact(line.row.reported.get(name))]
        cells += [line.costs.machine if line.costs is not None else "", *_origin_cells(line.records, " ")]
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
                lines += [[shown_name(line), seed, name, lead, _exact(value) or "nan"] for lead, value in told]
    return csv_text(lines)


def shown_name(line: TableLine) -> str:
    """The name of a row, and how its futures were scored where there are several: ``SAVP-VAE (best of 9)``."""
    drawn = _drawn(line)
    return f"{line.row.name} ({drawn})" if drawn else line.row.name


def _drawn(line: TableLine) -> str:
    return next((record.draws for record in line.records if record.draws), "")


def _knows_the_truth(line: TableLine) -> bool:
    """Whether its forecasts were chosen by what came, so that it is not compared with the others."""
    return _drawn(line) != "" and line.row.draw_protocol == "best"


def number(value: float) -> str:
    """A value with four significant figures, as a table shows it."""
    if not math.isfinite(value):
        return DASH
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.4g}".rstrip(".")


def _scores(
    caption: str,
    bench: Benchmark,
    lines: Sequence[TableLine],
    of: Callable[[Record, str], float],
    reported: bool,
) -> Table:
    columns = []
    for name in bench.scores:
        entry = PROTOCOLS[name]
        values = [_finite(of(record, name) for record in line.records) for line in lines]
        sign, arrow = (1, "↑") if entry.better == "higher" else (-1, "↓")
        fair = [v for line, v in zip(lines, values, strict=True) if v and not _knows_the_truth(line)]
        top = max((sign * finite_mean(v) for v in fair), default=math.nan)
        pairs = zip(lines, values, strict=True)
        cells = [
            _score_cell(line, name, v, sign * finite_mean(v) == top and not _knows_the_truth(line))
            for line, v in pairs
        ]
        columns.append((name, name, f"{', ' + entry.unit if entry.unit else ''} {arrow}", cells))
    return _table(caption, lines, columns, (lambda _, value: f"{value:g}") if reported else None)


def _score_cell(line: TableLine, name: str, values: Sequence[float], best: bool) -> Cell:
    if not values:
        return Cell(NOT_COMPUTED if any(name in r.not_computed for r in line.records) else DASH)
    each = f" ({', '.join(number(v) for v in values)})" if len(values) > 1 else ""
    return Cell(number(finite_mean(values)) + each, best)


def _costs(lines: Sequence[TableLine]) -> Table:
    columns = [
        (name, title, "", [Cell(_cost(name, getattr(line.costs, name, None))) for line in lines])
        for name, title in _COST_HEADS.items()
    ]
    return _table("Costs of a forecast", lines, columns, _cost)


def _table(
    caption: str,
    lines: Sequence[TableLine],
    columns: Sequence[tuple[str, str, str, list[Cell]]],
    reported: Callable[[str, float], str] | None,
) -> Table:
    """A table of columns (name, title, unit, cells), each followed by what is reported where anything is."""
    header, filled = [Cell("model")], [[Cell(shown_name(line)) for line in lines]]
    for name, title, unit, cells in columns:
        header.append(Cell(title + unit))
        filled.append(cells)
        if reported is not None and any(name in line.row.reported for line in lines):
            header.append(Cell(f"{title}, reported", reported=True))
            values = [line.row.reported.get(name) for line in lines]
            filled.append([Cell(DASH if v is None else reported(name, v), reported=True) for v in values])
    return Table(caption, tuple(header), tuple(zip(*filled, strict=True)))


def _cost(name: str, value: float | None) -> str:
    if value is None:
        return DASH
    if name == "parameters":
        return f"{value:,.0f}"
    return number(value / 1e9) if name == "multiply_accumulates" else number(value)


def _origin(lines: Sequence[TableLine]) -> Table:
    header = (
        "model",
        "seeds",
        "iterations",
        "training, s",
        "configuration",
        "training data",
        "test data",
        "commit",
        "checkpoints",
    )
    told = [(shown_name(line), *_origin_cells(line.records, ", ")) for line in lines]
    rows = tuple(tuple(Cell(text or DASH) for text in row) for row in told)
    return Table("Where each row comes from", tuple(map(Cell, header)), rows)


def _origin_cells(records: Sequence[Record], between: str) -> list[str]:
    """Seeds, iterations, seconds, hashes and commits; what all seeds share stands once."""

    def told(values: Sequence[str]) -> str:
        return between.join(dict.fromkeys(v for v in values if v))

    return [
        between.join(str(r.seed) for r in records if r.seed is not None),
        told([str(r.iterations or "") for r in records]),
        between.join(f"{r.train_seconds:.0f}" for r in records if r.iterations),
        told([r.hash for r in records]),
        told([r.train_data for r in records]),
        told([r.test_data for r in records]),
        told([r.commit for r in records]),
        told([r.checkpoint for r in records]),
    ]


def _finite(values: object) -> list[float]:
    return [v for v in values if math.isfinite(v)]  # type: ignore[attr-defined]


def _exact(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.9g}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Keep the text of a configuration from being markup."""
    one_line = " ".join(text.split())
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
