"""Rows ranked by the primary score, with intervals, and where the order is not the paper's.

Two kinds of intervals, both at 95 %: that of a row's mean over seeds (Student's t of the seeds' means), and
that of its difference to the best row over test clips, paired: both rows forecast the same clips, so what makes
a clip hard for both drops out. The first knows how much a training scatters, the second how much the choice of
clips does.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.bench.benchmark import Benchmark
from nowcast.bench.details import score_of_clips
from nowcast.bench.outcome import BenchmarkOutcome, TableLine
from nowcast.bench.records import finite_mean
from nowcast.bench.shown import DASH, finite, knows_the_truth, number, shown_name
from nowcast.report.content import Cell, Table
from nowcast.scores.protocols import PROTOCOLS

_LEVEL = 0.95


class Ranked(NamedTuple):
    """One row with what ranks it."""

    line: TableLine
    mean: float
    seeds: tuple[float, ...]
    clips: npt.NDArray[np.float64] | None
    reported: float | None


def ranked(bench: Benchmark, outcome: BenchmarkOutcome) -> list[Ranked]:
    """The rows from best to worst by the primary score; those chosen with the truth in sight are left out."""
    lead = ranked_lead(bench)
    first, last = bench.leads.get(lead, (1, bench.test_window.future))
    leads, name = slice(first - 1, last), bench.ranked_by
    found = []
    for line in outcome.lines:
        seeds = finite(r.over(name, leads) if lead else r.mean(name) for r in line.records)
        if seeds and not knows_the_truth(line):
            clips = score_of_clips(line.details, name, leads)
            reported = bench.reported_of(line.row).get((lead, name))
            found.append(Ranked(line, finite_mean(seeds), tuple(seeds), clips, reported))
    return sorted(found, key=lambda row: row.mean, reverse=_higher(bench))


def ranked_lead(bench: Benchmark) -> str:
    """The lead times that rank: all, or the first ones for which alone the paper prints the score."""
    printed = {key for row in bench.rows for key in bench.reported_of(row) if key[1] == bench.ranked_by}
    return next((lead for lead in ("", *bench.leads) if (lead, bench.ranked_by) in printed), "")


def ranking_tables(bench: Benchmark, outcome: BenchmarkOutcome) -> list[Table]:
    """One table, or none where there are not two rows to rank."""
    rows = ranked(bench, outcome)
    if len(rows) < 2:
        return []
    papers = sorted((r.reported for r in rows if r.reported is not None), reverse=_higher(bench))
    header = ["model", "rank", bench.ranked_by, "95 % over seeds", "from the best", "95 % over clips, paired"]
    table = []
    for place, row in enumerate(rows):
        gap = difference(row, rows[0]) if place else None
        cells = [shown_name(row.line), str(place + 1), number(row.mean), _around(row.seeds)]
        cells += [DASH, DASH] if gap is None else [_signed(gap[0]), f"{_signed(gap[1])} to {_signed(gap[2])}"]
        if papers:
            cells += [DASH if row.reported is None else f"{papers.index(row.reported) + 1}"]
        table.append(tuple(Cell(text, best=place == 0 and column == 2) for column, text in enumerate(cells)))
    if papers:
        header.append("rank in the paper")
    caption = f"Ranked by {bench.ranked_by}, {ranked_lead(bench) or bench.setting}"
    return [Table(caption, tuple(map(Cell, header)), tuple(table))]


def ranking_sentences(bench: Benchmark, outcome: BenchmarkOutcome) -> list[str]:
    """What the intervals are, and which rows stand in another order than the paper's."""
    rows = ranked(bench, outcome)
    if len(rows) < 2:
        return []
    found = [
        "Intervals: over seeds, Student's t of the means of the seeds; over clips, Student's t of the paired "
        "differences of the clips' scores, mean over seeds."
    ]
    pairs = [
        (a, b)
        for a, b in itertools.combinations(rows, 2)
        if None not in (a.reported, b.reported) and differ(a, b)
    ]
    turned = [pair for pair in pairs if _turned(bench, *pair)]
    if pairs:
        clear = [pair for pair in turned if _told_apart(*pair)]
        names = "; ".join(f"{shown_name(a.line)} before {shown_name(b.line)}" for a, b in turned)
        sure = "; ".join(f"{shown_name(a.line)} before {shown_name(b.line)}" for a, b in clear)
        if not turned:
            found.append(f"All {len(pairs)} pairs of rows stand in the paper's order of {bench.ranked_by}.")
        else:
            found.append(
                f"Of {len(pairs)} pairs of rows that the paper orders by {bench.ranked_by}, {len(turned)} "
                f"stand the other way round here: {names}. Told apart by the clips: {sure or 'none of them'}."
            )
    return found


def differ(a: Ranked, b: Ranked) -> bool:
    """Whether the paper prints two values."""
    return a.reported != b.reported


def difference(row: Ranked, other: Ranked) -> tuple[float, float, float]:
    """Mean difference of two rows, and its interval over the clips; NaN where clips are not known."""
    gap = row.mean - other.mean
    if row.clips is None or other.clips is None or row.clips.shape != other.clips.shape:
        return gap, math.nan, math.nan
    apart = row.clips - other.clips
    apart = apart[np.isfinite(apart)]
    if len(apart) < 2:
        return gap, math.nan, math.nan
    half = _student(len(apart)) * float(apart.std(ddof=1)) / math.sqrt(len(apart))
    middle = float(apart.mean())
    return gap, middle - half, middle + half


def interval_of_seeds(seeds: Sequence[float]) -> float:
    """Half the width of the interval of the mean over seeds; NaN with one seed."""
    if len(seeds) < 2:
        return math.nan
    return _student(len(seeds)) * statistics.stdev(seeds) / math.sqrt(len(seeds))


def _student(count: int) -> float:
    from scipy import stats

    return float(stats.t.ppf((1 + _LEVEL) / 2, count - 1))


def _higher(bench: Benchmark) -> bool:
    return PROTOCOLS[bench.ranked_by].better == "higher"


def _turned(bench: Benchmark, better: Ranked, worse: Ranked) -> bool:
    """Whether the paper has the second of two rows first."""
    assert better.reported is not None
    assert worse.reported is not None
    return (better.reported < worse.reported) == _higher(bench)


def _told_apart(a: Ranked, b: Ranked) -> bool:
    _, low, high = difference(a, b)
    return low > 0 or high < 0


def _around(seeds: Sequence[float]) -> str:
    half = interval_of_seeds(seeds)
    return DASH if math.isnan(half) else f"± {number(half)}"


def _signed(value: float) -> str:
    return DASH if math.isnan(value) else ("+" if value > 0 else "") + number(value)
