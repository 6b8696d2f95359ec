"""What there is of a benchmark: rows of which something is known, and what is missing and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nowcast.bench.benchmark import Benchmark, Row, slug
from nowcast.bench.costs import Costs
from nowcast.bench.details import Details
from nowcast.bench.entries import Entry
from nowcast.bench.exports import Exports
from nowcast.bench.kept_costs import KeptCosts
from nowcast.bench.known import Known
from nowcast.bench.records import Record, Records


@dataclass(frozen=True)
class TableLine:
    """One row of the table with all that is known of it."""

    row: Row
    records: tuple[Record, ...]
    """One a seed, in the order of the seeds."""
    frames: dict[int, Any]
    """Number of a test clip -> forecast (S, C, H, W) in eight bits, of the first seed."""
    costs: Costs | None
    details: tuple[Details, ...] = ()
    """One a seed."""


@dataclass(frozen=True)
class BenchmarkOutcome:
    """What there is of a benchmark."""

    lines: tuple[TableLine, ...]
    """Rows of which something is known."""
    missing: tuple[str, ...]
    """What the table lacks, and why, one sentence each."""


@dataclass(frozen=True)
class Overview:
    """Looks through what is kept of the entries of a benchmark, each time anew."""

    bench: Benchmark
    entries: Sequence[Entry]
    known: Known
    records: Records
    costs: KeptCosts
    exports: Exports
    picked: Collection[str]
    """Names of the rows that are asked for; the predictions of others are not missed."""

    def outcome(self, why: Mapping[str, str]) -> BenchmarkOutcome:
        """What there is now.

        Args:
            why: reasons for what is not there, by the key of an entry or by `timing_of` a row.
        """
        lines = [self._line(row) for row in self.bench.rows]
        return BenchmarkOutcome(tuple(line for line in lines if line.records), tuple(self._missing(why)))

    def untimed(self) -> list[Row]:
        """Rows that are scored and were not timed yet; without a network there is nothing to time."""
        return [row for row in self.bench.rows if self._is_untimed(row)]

    def _is_untimed(self, row: Row) -> bool:
        if row.forecaster is not None or self.costs.of(row) is not None:
            return False
        return any(entry.row is row and self.known.record(entry) is not None for entry in self.entries)

    def _line(self, row: Row) -> TableLine:
        found = [(e.key, r) for e in self.entries if e.row is row and (r := self.known.record(e)) is not None]
        frames = self.records.frames(found[0][0]) if found else {}
        details = tuple(self.records.details(key) for key, _ in found)
        return TableLine(row, tuple(record for _, record in found), frames, self.costs.of(row), details)

    def _missing(self, why: Mapping[str, str]) -> list[str]:
        found = []
        for entry in self.entries:
            if (record := self.known.record(entry)) is None:
                found.append(f"{entry.title}: {why.get(entry.key, 'not asked for, not done yet')}")
            elif record.failed:
                found.append(f"{entry.title}: {record.failed}")
            elif entry.experiment is None or entry.seed == self.bench.seeds[0]:
                reasons = record.not_computed.items()
                found += [f"{entry.row.name}: {name} not computed: {reason}" for name, reason in reasons]
            if record is not None and entry.row.name in self.picked and self.exports.lacks(entry.key, record):
                found.append(f"{entry.title}: predictions: {why.get(entry.key, 'not written yet')}")
        return found + [f"{row.name}: {why.get(timing_of(row), 'not timed yet')}" for row in self.untimed()]


def timing_of(row: Row) -> str:
    """The key under which the reason is kept why a row has no times; no entry has such a one."""
    return f"{slug(row.name)} timing"
