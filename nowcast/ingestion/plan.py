"""Plan: which frame of which file goes into which slot, and what is refused before reading values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nowcast.archive.ledger import Source
from nowcast.core.grid import Grid
from nowcast.core.rain import Z_R, z_r_of_text
from nowcast.core.times import Times, minutes, to_text
from nowcast.ingestion.axis import TimeAxis
from nowcast.ingestion.listing import Problem
from nowcast.ingestion.scan import Scan

FUTURE_TOLERANCE = np.timedelta64(15, "m")
"""How far a frame may lie ahead of this machine's clock: clocks differ, and some producers date a
frame by the end of its period."""
_SAME_PERIOD = 0.01


class MeasuredQuantity(NamedTuple):
    """What the numbers of a file are: two of one archive must be the same."""

    reader: str
    name: str
    rain: bool
    hours: float | None
    """Period of an accumulation, 0 for a moment, None where an older archive does not say."""
    relation: str = ""
    """The Z-R relation through which rain became dBZ."""

    @classmethod
    def of(cls, found: Source) -> MeasuredQuantity:
        """Read it off the entry of a file in the ledger."""
        try:
            hours = float(found.accumulation_hours)
        except ValueError:
            hours = None
        return cls(found.reader, found.quantity, bool(found.z_r_relation), hours, found.z_r_relation)

    def __str__(self) -> str:
        period = f" over {self.hours * 60:.4g} minutes" if self.hours else ""
        return f"{self.name or 'reflectivity'}{period}"

    @property
    def in_words(self) -> str:
        """What was measured, for an archive's attributes: reflectivity, a rain rate, or rain over a time."""
        if not self.rain:
            return f"reflectivity ({self.name})" if self.name else "reflectivity"
        if not self.hours:
            return f"rain rate ({self.name})"
        return f"mean rain rate over {self.hours * 60:.4g} minutes ({self.name})"

    def same(self, other: MeasuredQuantity) -> bool:
        """Whether both may stand in one archive; names of two formats differ for the same thing."""
        mine, its = self.hours, other.hours
        if self.rain != other.rain:
            return False
        if mine is not None and its is not None and abs(mine - its) > _SAME_PERIOD * max(mine, its):
            return False
        return self.reader != other.reader or self.name == other.name

    def same_relation(self, other: MeasuredQuantity) -> bool:
        """Whether rain became dBZ through one relation in both, where both say through which."""
        mine, its = z_r_of_text(self.relation), z_r_of_text(other.relation)
        return mine is None or its is None or mine.same(its)


@dataclass(frozen=True)
class Rules:
    """What one archive takes: its grid, its axis of time, its quantities, and times up to now."""

    grid: Grid
    axis: TimeAxis
    quantities: tuple[MeasuredQuantity, ...]
    now: np.datetime64


@dataclass(frozen=True)
class Wanted:
    """The frames of one file that are to be read: their indices in the file and their times."""

    scan: Scan
    frames: tuple[int, ...]
    times: Times
    problems: tuple[str, ...] = ()
    final: bool = True
    """Whether the problems will be the same at the next run, so that the file need not be read again."""


def quantity_of(scan: Scan) -> MeasuredQuantity:
    """Return what the numbers of a scanned file are."""
    return MeasuredQuantity.of(scan.as_source(0, (), complete=True))


def common_grid(scans: Sequence[Scan]) -> Grid:
    """Return the grid of most frames, the first of them on a tie."""
    counts: Counter[str] = Counter()
    grids: dict[str, Grid] = {}
    for scan in scans:
        counts[scan.grid.fingerprint] += len(scan.times)
        grids.setdefault(scan.grid.fingerprint, scan.grid)
    return grids[counts.most_common(1)[0][0]]


def common_quantity(scans: Sequence[Scan]) -> MeasuredQuantity:
    """Return the quantity of most frames; on a tie that of the shortest period, then the first."""
    counts: Counter[MeasuredQuantity] = Counter()
    for scan in scans:
        counts[quantity_of(scan)] += len(scan.times)
    return max(counts, key=lambda quantity: (counts[quantity], -(quantity.hours or 0.0)))


def all_times(scans: Sequence[Scan]) -> Times:
    """Return the times of all files, sorted, each once."""
    times: Times = np.unique(np.concatenate([s.times for s in scans]))
    return times


def misfit(scan: Scan, grid: Grid, quantities: Sequence[MeasuredQuantity]) -> str:
    """Return why a whole file does not belong into an archive, the empty string when it does."""
    different = grid.difference(scan.grid)
    if different:
        return (
            f"its grid is not the archive's ({different}), expected one grid in one archive; ingest this "
            "file into another archive"
        )
    mine = quantity_of(scan)
    known = [q for q in quantities if q.reader == mine.reader] or list(quantities[:1])
    if known and not any(mine.same(q) for q in known):
        return (
            f"holds {mine}, expected {known[0]} as the archive does: one quantity in one archive; ingest "
            "this file into another archive"
        )
    if known and not any(mine.same_relation(q) for q in known):
        return (
            f"its rain becomes dBZ through {mine.relation}, expected {known[0].relation} as in the "
            f"archive: one relation in one archive; choose it with --z-r {_option(known[0].relation)}"
        )
    return ""


def _option(relation: str) -> str:
    """Return what chooses a relation on the command line."""
    found = z_r_of_text(relation)
    if found is None:
        return "NAME"
    return found.name if found.name in Z_R else f"a={found.a:g},b={found.b:g}"


def judge(scan: Scan, rules: Rules) -> Wanted | Problem:
    """Decide what of a file can go into the archive: one grid and quantity, on the step, near, not ahead."""
    different = misfit(scan, rules.grid, rules.quantities)
    if different:
        return Problem(scan.path, f"{scan.path}: {different}")
    axis = rules.axis
    times = axis.snapped(scan.times)
    off_step = (times - axis.phase) % axis.step != np.timedelta64(0, "ns")
    ahead = scan.times > rules.now + FUTURE_TOLERANCE
    near = (times >= axis.first - axis.tolerance) & (times <= axis.last + axis.tolerance)
    far = ~(near & (times >= np.datetime64(0, "ns"))) & ~ahead
    said = []
    for which, words in (
        (
            off_step,
            f"off the archive's step of {minutes(axis.step):g} minutes, the first at {{}}, expected "
            f"times such as {to_text(axis.phase)} within {axis.tolerance / np.timedelta64(1, 's'):g} s; "
            "ingest files of another step into another archive",
        ),
        (
            ahead,
            f"dated in the future, the first {{}}, expected times up to now ({to_text(rules.now)}); check "
            "the clocks",
        ),
        (
            far & ~off_step,
            f"years away from all others, the first at {{}}, expected times near "
            f"{to_text(axis.first)} to {to_text(axis.last)}; check the date in the file, or "
            "ingest it into another archive",
        ),
    ):
        if which.any():
            said.append(f"{_count(which)} {words.format(to_text(scan.times[which][0]))}")
    good = np.flatnonzero(~off_step & ~ahead & ~far)
    if said and not len(good):
        return Problem(scan.path, f"{scan.path}: " + "; also ".join(said))
    return Wanted(scan, tuple(good.tolist()), times[good], tuple(said), not ahead.any())


def _count(which: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> str:
    number = int(which.sum())
    return "1 frame is" if number == 1 else f"{number} frames are"


def without_shared_times(files: Sequence[Wanted]) -> list[list[Wanted]]:
    """Split files into batches such that within a batch no two files hold the same time.

    Why: within a batch all may be written at once; a second file for a time is read in a later batch,
    when the first is in the archive, and compared with it. So the first in the given order wins,
    whichever worker is faster.
    """
    batch_of: dict[int, int] = {}
    batches: list[list[Wanted]] = []
    for file in files:
        stamps = file.times.astype(np.int64).tolist()
        batch = max((batch_of.get(t, 0) for t in stamps), default=0)
        batch_of.update(dict.fromkeys(stamps, batch + 1))
        while len(batches) <= batch:
            batches.append([])
        batches[batch].append(file)
    return batches
