"""The tables of a benchmark: scores beside what the paper reports, costs, and where each row comes from."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from nowcast.bench.benchmark import Benchmark
from nowcast.bench.outcome import BenchmarkOutcome, TableLine
from nowcast.bench.ranking import ranking_sentences, ranking_tables
from nowcast.bench.records import Record, finite_mean
from nowcast.bench.shown import DASH, drawn, finite, knows_the_truth, number, shown_name
from nowcast.report.bench_page import Chart
from nowcast.report.content import Cell, Table
from nowcast.scores.protocols import PROTOCOLS

Mean = Callable[[Record, str], float]
NOT_COMPUTED = "not computed"
SHOWN: Mapping[str, float] = dict.fromkeys(("lpips", "lpips_unit", "lpips_spatial"), 1000.0)
"""What tables show a score times, as the papers print it; CSV files hold it as it is."""
_COST_HEADS = {
    "parameters": "parameters",
    "multiply_accumulates": "GMAC a sequence",
    "seconds": "s a forecast",
    "frames_per_second": "frames/s",
    "memory_mb": "MB",
}


def tables_of(bench: Benchmark, outcome: BenchmarkOutcome) -> list[Table]:
    """All tables: scores, scores of the last third of the lead times, costs, origin."""
    steps = bench.test_window.future
    seeds = " and, in brackets, each seed" if any(len(line.records) > 1 for line in outcome.lines) else ""
    told = f"mean over {steps} lead times{seeds}"
    late = f"mean over the last {max(1, steps // 3)} of {steps} lead times{seeds}"
    if bench.leads:
        told = f"{bench.setting} is the {told}, other columns that over their own"
    thirds = [] if bench.leads else [_scores(f"Scores, {late}", bench, outcome.lines, {"": Record.late}, False)]
    return [
        *ranking_tables(bench, outcome),
        _scores(f"Scores, {told}", bench, outcome.lines, _means(bench), True),
        *thirds,
        _costs(bench, outcome.lines),
        _origin(outcome.lines),
    ]


def _means(bench: Benchmark) -> Mapping[str, Mean]:
    """Name of the lead times, empty for all -> how a record's mean over them is taken."""
    found: dict[str, Mean] = {"": Record.mean}
    for name, (first, last) in bench.leads.items():
        found[name] = functools.partial(Record.over, leads=slice(first - 1, last))
    return found


def sentences(bench: Benchmark, outcome: BenchmarkOutcome) -> list[str]:
    """How the numbers were made, one sentence each."""
    window = bench.test_window
    clips = max((r.test_clips for line in outcome.lines for r in line.records), default=0)
    found = [
        f"{window.past} frames given, {window.future} forecast; {clips} test clips; frames clamped to [0, 1].",
        "The checkpoint of each run is the one that is best on validation; the test clips are read after all "
        "training is over.",
    ]
    found += [f"{name}: {PROTOCOLS[name].text}." for name in bench.scores]
    found += [f"{name} is shown times {SHOWN[name]:g}." for name in bench.scores if name in SHOWN]
    if any(bench.reported_of(line.row) for line in outcome.lines):
        found.append("Reported: as the paper prints it, made by others on their data; never mixed with ours.")
    found += ranking_sentences(bench, outcome)
    if machines := sorted({line.costs.machine for line in outcome.lines if line.costs is not None}):
        found.append(
            f"Times: median at batch 1 on {', '.join(machines)}; frames/s with 8 sequences at a time; "
            "memory above the weights at batch 1, in 10^6 bytes; GMAC: 10^9 multiply-accumulates."
        )
    for line in outcome.lines:
        if line.costs is not None and line.costs.uncounted:
            found.append(f"{line.row.name}: no GMAC and MB: {line.costs.uncounted}.")
    found += [line.row.drawn.sentence(line.row.name) for line in outcome.lines if drawn(line)]
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


def _scores(
    caption: str, bench: Benchmark, lines: Sequence[TableLine], means: Mapping[str, Mean], reported: bool
) -> Table:
    columns = []
    for name in bench.scores:
        for lead, of in means.items():
            cells = _score_cells(name, lines, of)
            title = name if len(means) == 1 else f"{name}, {lead or bench.setting}"
            columns.append(Measured((lead, name), title, _unit(name), cells))
    if any(line.row.over for line in lines):
        columns.append(
            Measured(("", "gain"), "gain", ", % ↑", [Cell(_gain(bench, line, lines)) for line in lines])
        )
    return _table(caption, bench, lines, columns, _reported_score if reported else None)


def _score_cells(name: str, lines: Sequence[TableLine], of: Mean) -> list[Cell]:
    values = [finite(of(record, name) for record in line.records) for line in lines]
    sign = 1 if PROTOCOLS[name].better == "higher" else -1
    fair = [v for line, v in zip(lines, values, strict=True) if v and not knows_the_truth(line)]
    top = max((sign * finite_mean(v) for v in fair), default=math.nan)
    return [
        _score_cell(line, name, v, sign * finite_mean(v) == top and not knows_the_truth(line))
        for line, v in zip(lines, values, strict=True)
    ]


def _unit(name: str) -> str:
    entry = PROTOCOLS[name]
    unit = f"{1 / SHOWN[name]:g}" if name in SHOWN else entry.unit
    return f"{', ' + unit if unit else ''} {'↑' if entry.better == 'higher' else '↓'}"


def _gain(bench: Benchmark, line: TableLine, lines: Sequence[TableLine]) -> str:
    """How much lower the first score is than that of the row it is built upon, in %."""
    below = next((other for other in lines if other.row.name == line.row.over), None)
    if below is None:
        return DASH
    mine, its = (finite_mean([r.mean(bench.scores[0]) for r in each.records]) for each in (line, below))
    return number(100 * (its - mine) / its) if its else DASH


def _reported_score(name: str, value: float) -> str:
    return f"{float(f'{value * SHOWN.get(name, 1):.9g}'):g}"


def _score_cell(line: TableLine, name: str, values: Sequence[float], best: bool) -> Cell:
    if not values:
        return Cell(NOT_COMPUTED if any(name in r.not_computed for r in line.records) else DASH)
    scale = SHOWN.get(name, 1)
    each = f" ({', '.join(number(scale * v) for v in values)})" if len(values) > 1 else ""
    return Cell(number(scale * finite_mean(values)) + each, best)


def _costs(bench: Benchmark, lines: Sequence[TableLine]) -> Table:
    columns = [
        Measured(("", name), title, "", [Cell(_cost(name, getattr(line.costs, name, None))) for line in lines])
        for name, title in _COST_HEADS.items()
    ]
    return _table("Costs of a forecast", bench, lines, columns, _cost)


class Measured(NamedTuple):
    """One column of what was computed or measured."""

    key: tuple[str, str]
    """Name of the lead times, empty for all, and of the score or cost."""
    title: str
    unit: str
    cells: list[Cell]


def _table(
    caption: str,
    bench: Benchmark,
    lines: Sequence[TableLine],
    columns: Sequence[Measured],
    reported: Callable[[str, float], str] | None,
) -> Table:
    """A table of columns, each followed by what is reported where anything is."""
    printed = [bench.reported_of(line.row) for line in lines]
    header, filled = [Cell("model")], [[Cell(shown_name(line)) for line in lines]]
    for key, title, unit, cells in columns:
        header.append(Cell(title + unit))
        filled.append(cells)
        if reported is not None and any(key in found for found in printed):
            header.append(Cell(f"{title}, reported", reported=True))
            values = [found.get(key) for found in printed]
            filled.append([Cell(DASH if v is None else reported(key[1], v), reported=True) for v in values])
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
    told = [(shown_name(line), *origin_cells(line.records, ", ")) for line in lines]
    rows = tuple(tuple(Cell(text or DASH) for text in row) for row in told)
    return Table("Where each row comes from", tuple(map(Cell, header)), rows)


def origin_cells(records: Sequence[Record], between: str) -> list[str]:
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


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Keep the text of a configuration from being markup."""
    one_line = " ".join(text.split())
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
