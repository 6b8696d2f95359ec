"""Fill: planned files are read by workers, and their frames counted into the archive as they come."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nowcast.archive.ledger import Source
from nowcast.archive.writer import ArchiveWriter, FrameRecord, NewArchive, open_writer
from nowcast.core.errors import ArchiveError
from nowcast.core.processes import Workers
from nowcast.core.times import as_step
from nowcast.ingestion.plan import Wanted, common_grid, in_turns, infer_phase, infer_step, judge
from nowcast.ingestion.scan import Problem, Scan
from nowcast.ingestion.work import Outcome, Task, ingest_file

_COMMIT_SECONDS = 2.0
_MOST_LINES = 5


@dataclass
class Filled:
    """What has been done so far."""

    problems: list[Problem]
    frames: int = 0
    same: int = 0


def fill(
    pool: Workers, target: Path, scans: Sequence[Scan], step: np.timedelta64 | None,
    licence: str | None, now: np.datetime64, progress: bool,
) -> Filled:
    """Read the scanned files into the archive ``target``, making it when it is not there.

    A new archive takes the grid of most frames, the most frequent difference of times as its step
    (unless ``step`` is given) and the first good time as its first slot.

    Raises:
        ArchiveError: ``step`` contradicts the archive, or the disk refuses.
        TimeError: a single time and no ``step``.
    """
    filled = Filled([])
    existed = (target / "zarr.json").exists()
    new = None if existed else _new_archive(scans, step, now, filled)
    if not existed and new is None:
        return filled
    if licence and new is not None:
        new = NewArchive(new.grid, new.step, new.first, {**new.attrs, "licence": licence})
    with open_writer(target, new) as writer:
        _check_step(writer, step)
        try:
            if licence:
                writer.annotate({"licence": licence})
            _fill(pool, writer, scans, filled, now, progress)
        finally:
            if not existed and not writer.whole.any():
                pool.close()
                writer.discard()
    return filled


def _new_archive(
    scans: Sequence[Scan], step: np.timedelta64 | None, now: np.datetime64, filled: Filled
) -> NewArchive | None:
    grid = common_grid(scans)
    fitting = [s for s in scans if grid.matches(s.grid)]
    found = as_step(step) if step is not None else infer_step(fitting)
    if found % np.timedelta64(1, "s") != np.timedelta64(0, "ns"):
        raise ArchiveError(f"step: got {found}, expected whole seconds; give it with --step MINUTES")
    phase = infer_phase(fitting, found)
    judged = [judge(s, grid, found, phase, now) for s in scans]
    firsts = [w.times[0] for w in judged if isinstance(w, Wanted)]
    if not firsts:
        filled.problems += [p for p in judged if isinstance(p, Problem)]
        return None
    attrs = {k: v for k, v in fitting[0].attrs.items() if k != "quantity"}
    return NewArchive(grid, found, min(firsts), attrs)


def _check_step(writer: ArchiveWriter, step: np.timedelta64 | None) -> None:
    if step is None:
        return
    seconds = as_step(step) / np.timedelta64(1, "s")
    if seconds != writer.step_seconds:
        raise ArchiveError(f"{writer.path}: got --step {seconds / 60:g}, expected the "
                           f"{writer.step_seconds / 60:g} minutes of this archive; leave it out or "
                           "choose another archive")


def _fill(
    pool: Workers, writer: ArchiveWriter, scans: Sequence[Scan], filled: Filled,
    now: np.datetime64, progress: bool,
) -> None:
    step = np.timedelta64(writer.step_seconds, "s").astype("timedelta64[ns]")
    phase = np.datetime64(writer.first_time, "s").astype("datetime64[ns]")
    files: list[Wanted] = []
    for scan in scans:
        judged = judge(scan, writer.grid, step, phase, now)
        if isinstance(judged, Problem):
            filled.problems.append(judged)
        else:
            files.append(judged)
    if not files:
        return
    earliest = min(w.times[0] for w in files)
    if earliest < phase:
        writer.prepend(int((phase - earliest) / step))
    total = sum(len(w.frames) for w in files)
    with tqdm(total=total, desc="ingest", unit="frame", disable=not progress) as bar:
        for turn in in_turns(files):
            _Turn(writer, filled, bar, turn).go(pool)


class _Turn:
    """One turn of files that share no time: read them, and count them in as they are done."""

    def __init__(
        self, writer: ArchiveWriter, filled: Filled, bar: tqdm[Any], files: Sequence[Wanted]
    ) -> None:
        self.writer, self.filled, self.bar, self.files = writer, filled, bar, files
        self.waiting: list[tuple[Source, Sequence[FrameRecord]]] = []
        self.committed = clock.monotonic()
        self.bad: list[tuple[int, Problem]] = []

    def go(self, pool: Workers) -> None:
        """Do the turn.

        Raises:
            ArchiveError: the disk refuses; what was whole before is in, the rest is swept away.
        """
        whole = self.writer.whole
        tasks = [self._task(number, file, whole) for number, file in enumerate(self.files)]
        try:
            for outcome in pool.each(ingest_file, tasks, _lost):
                self._done(outcome)
            self._commit()
        except BaseException:
            pool.close()
            try:
                self._commit()
            finally:
                self.writer.sweep()
            raise
        finally:
            self.filled.problems += [p for _, p in sorted(self.bad, key=lambda pair: pair[0])]

    def _task(self, number: int, file: Wanted, whole: np.ndarray[Any, np.dtype[np.bool_]]) -> Task:
        slots = tuple(self.writer.slot_of(file.times).tolist())
        taken = {s: self.writer.source_name(s) for s in slots if s < len(whole) and whole[s]}
        return Task(number, file, slots, taken, self.writer.path, self.writer.first_time, os.getpid())

    def _done(self, outcome: Outcome) -> None:
        file = self.files[outcome.number]
        if outcome.disk:
            self._stop(outcome.disk)
        lines = (*file.problems, *outcome.problems)
        if len(lines) > _MOST_LINES:
            lines = (*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more such frames")
        path = file.scan.path
        self.bad += [(outcome.number, Problem(path, f"{path}: {line}")) for line in lines]
        complete = file.final and not outcome.broken
        credited = len(outcome.frames) + self.writer.credit(file.scan.sha256)
        if complete or credited:
            source = file.scan.as_source(credited, lines if complete else (), complete)
            self.waiting.append((source, outcome.frames))
        self.filled.frames += len(outcome.frames)
        self.filled.same += outcome.same
        self.bar.update(len(file.frames))
        if clock.monotonic() - self.committed > _COMMIT_SECONDS:
            self._commit()

    def _stop(self, said: str) -> None:
        raise ArchiveError(
            f"{self.writer.path}: {said}; the archive holds what was whole before and nothing half-"
            "written, make room and run again"
        )

    def _commit(self) -> None:
        waiting, self.waiting = self.waiting, []
        self.committed = clock.monotonic()
        if not waiting:
            return
        try:
            self.writer.commit(waiting)
        except OSError as error:
            self._stop(f"cannot be written ({error.strerror or error})")


def _lost(task: Task, how: str) -> Outcome:
    return Outcome(task.number, broken=True, problems=(
        f"reading it {how}; the file is damaged or too large for the memory",))
