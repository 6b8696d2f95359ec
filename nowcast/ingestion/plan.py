"""Plan: which frame of which file goes into which slot, and what is refused before reading values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nowcast.core.errors import TimeError
from nowcast.core.grid import Grid
from nowcast.core.times import Times, as_step, minutes, to_text
from nowcast.ingestion.scan import Problem, Scan

FUTURE_TOLERANCE = np.timedelta64(15, "m")
"""How far a frame may lie ahead of this machine's clock: clocks differ, and some producers date a
frame by the end of its period."""


@dataclass(frozen=True)
class Wanted:
    """The frames of one file that are to be read: their indices in the file and their times."""

    scan: Scan
    frames: tuple[int, ...]
    times: Times
    problems: tuple[str, ...] = ()
    final: bool = True
    """Whether the problems will be the same at the next run, so that the file need not be read again."""


def infer_step(scans: Sequence[Scan]) -> np.timedelta64:
    """Give the step that the times of all files speak for: their most frequent difference.

    Raises:
        TimeError: fewer than two different times.
    """
    times = np.unique(np.concatenate([s.times for s in scans]))
    if len(times) < 2:
        raise TimeError("step: got a single time, expected two or more to tell the step from; give it "
                        "with --step MINUTES")
    counts = Counter(np.diff(times).tolist())
    most = max(counts.values())
    return as_step(np.timedelta64(min(d for d, n in counts.items() if n == most), "ns"))


def infer_phase(scans: Sequence[Scan], step: np.timedelta64) -> np.datetime64:
    """Give the first time of those that lie on the step as most do."""
    times = np.unique(np.concatenate([s.times for s in scans]))
    offsets = times.astype(np.int64) % int(step.astype(np.int64))
    phase = Counter(offsets.tolist()).most_common(1)[0][0]
    first: np.datetime64 = times[offsets == phase][0]
    return first


def common_grid(scans: Sequence[Scan]) -> Grid:
    """Give the grid of most frames, the first of them on a tie."""
    counts: Counter[str] = Counter()
    grids: dict[str, Grid] = {}
    for scan in scans:
        counts[scan.grid.fingerprint] += len(scan.times)
        grids.setdefault(scan.grid.fingerprint, scan.grid)
    return grids[counts.most_common(1)[0][0]]


def judge(
    scan: Scan, grid: Grid, step: np.timedelta64, phase: np.datetime64, now: np.datetime64
) -> Wanted | Problem:
    """Decide what of a file can go into the archive: one grid, on the step, not from the future."""
    different = grid.difference(scan.grid)
    if different:
        return Problem(scan.path, f"{scan.path}: its grid is not the archive's ({different}), expected "
                       "one grid in one archive; ingest this file into another archive")
    on_step = (scan.times - phase) % step == np.timedelta64(0, "ns")
    ahead = scan.times > now + FUTURE_TOLERANCE
    problems = []
    if (~on_step).any():
        problems.append(
            f"{_count(~on_step)} off the archive's step of {minutes(step):g} minutes, the first at "
            f"{to_text(scan.times[~on_step][0])}, expected times such as {to_text(phase)}; ingest files "
            "of another step into another archive"
        )
    if ahead.any():
        problems.append(
            f"{_count(ahead)} dated in the future, the first {to_text(scan.times[ahead][0])}, expected "
            f"times up to now ({to_text(now)}); check the clocks"
        )
    good = np.flatnonzero(on_step & ~ahead)
    if problems and not len(good):
        return Problem(scan.path, f"{scan.path}: " + "; also ".join(problems))
    return Wanted(scan, tuple(good.tolist()), scan.times[good], tuple(problems), not ahead.any())


def _count(which: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> str:
    number = int(which.sum())
    return "1 frame is" if number == 1 else f"{number} frames are"


def in_turns(files: Sequence[Wanted]) -> list[list[Wanted]]:
    """Split files into turns such that within a turn no two files hold the same time.

    Why: within a turn all may be written at once; a second file for a time is read in a later turn,
    when the first is in the archive, and compared with it. So the first in the given order wins,
    whichever worker is faster.
    """
    turn_of: dict[int, int] = {}
    turns: list[list[Wanted]] = []
    for file in files:
        stamps = file.times.astype(np.int64).tolist()
        turn = max((turn_of.get(t, 0) for t in stamps), default=0)
        turn_of.update(dict.fromkeys(stamps, turn + 1))
        while len(turns) <= turn:
            turns.append([])
        turns[turn].append(file)
    return turns
