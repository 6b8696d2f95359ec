"""Fill: planned files are read by workers, and their frames counted into the archive as they come."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nowcast.archive.create import NewArchive
from nowcast.archive.ledger import Source
from nowcast.archive.writer import ArchiveWriter, FrameRecord, open_writer
from nowcast.core.engine import Engine
from nowcast.core.errors import ArchiveError
from nowcast.core.rain import ZRelation
from nowcast.core.times import as_step
from nowcast.ingestion.founding import new_archive, restarted, rules_of
from nowcast.ingestion.listing import Problem
from nowcast.ingestion.plan import MeasuredQuantity, Wanted, judge, quantity_of, without_shared_times
from nowcast.ingestion.scan import Scan
from nowcast.ingestion.work import FileResult, FileTask, Reissued, Taken, ingest_file

_COMMIT_SECONDS = 2.0
_MOST_LINES = 5


@dataclass(frozen=True)
class FillSettings:
    """How an archive is filled: see `nowcast.workflows.ingest.ingest`."""

    step: np.timedelta64 | None
    licence: str | None
    now: np.datetime64
    progress: bool
    reissued: Reissued
    relation: ZRelation | None = None
    """The one that was chosen between rain and dBZ."""


@dataclass
class Filled:
    """What has been done so far."""

    problems: list[Problem] = field(default_factory=list)
    frames: int = 0
    same: int = 0
    replaced: int = 0

    def add(self, other: Filled) -> None:
        """Add what was done after it."""
        self.problems += other.problems
        self.frames += other.frames
        self.same += other.same
        self.replaced += other.replaced


def fill(pool: Engine, target: Path, scans: Sequence[Scan], settings: FillSettings) -> Filled:
    """Read the scanned files into the archive ``target``, making it when it is not there.

    A new archive takes grid and quantity of most frames, the step that their times speak for (unless
    one is given) and the first good time as its first slot.

    Raises:
        ArchiveError: the step contradicts the archive, or the disk refuses.
        TimeError: a single time and no step.
    """
    filled = Filled()
    existed = (target / "zarr.json").exists()
    new = (
        None if existed else new_archive(scans, settings.step, settings.now, filled.problems, settings.relation)
    )
    if not existed and new is None:
        return filled
    restart = restarted(target, scans, filled.problems) if existed else None
    if settings.licence and new is not None:
        new = NewArchive(new.grid, new.step, new.first, {**new.attrs, "licence": settings.licence})
    with open_writer(target, restart or new, afresh=restart is not None) as writer:
        _check_step(writer, settings.step)
        try:
            if settings.licence:
                writer.annotate({"licence": settings.licence})
            _fill(pool, writer, scans, settings, filled)
        finally:
            if not existed and not writer.whole.any():
                pool.abort()
                writer.discard()
    return filled


def _check_step(writer: ArchiveWriter, step: np.timedelta64 | None) -> None:
    if step is None:
        return
    seconds = as_step(step) / np.timedelta64(1, "s")
    if seconds != writer.step_seconds:
        raise ArchiveError(
            f"{writer.path}: got --step {seconds / 60:g}, expected the "
            f"{writer.step_seconds / 60:g} minutes of this archive; leave it out or "
            "choose another archive"
        )


def _fill(
    pool: Engine, writer: ArchiveWriter, scans: Sequence[Scan], settings: FillSettings, filled: Filled
) -> None:
    rules = rules_of(writer, scans, settings.now)
    files: list[Wanted] = []
    for scan in scans:
        judged = judge(scan, rules)
        if isinstance(judged, Problem):
            filled.problems.append(judged)
        else:
            files.append(judged)
    if not files:
        return
    earliest = min(w.times.min() for w in files)
    phase = np.datetime64(writer.first_time, "s").astype("datetime64[ns]")
    if earliest < phase:
        writer.prepend(int((phase - earliest) / rules.axis.step))
    total = sum(len(w.frames) for w in files)
    with tqdm(total=total, desc="ingest", unit="frame", disable=not settings.progress) as bar:
        for batch in without_shared_times(files):
            _Batch(writer, filled, bar, batch, settings.reissued).read(pool)


class _Batch:
    """Files that share no time: read them, and count them in as they are done."""

    def __init__(
        self, writer: ArchiveWriter, filled: Filled, bar: tqdm[Any], files: Sequence[Wanted], reissued: Reissued
    ) -> None:
        self.writer, self.filled, self.bar, self.files = writer, filled, bar, files
        self.reissued = reissued
        self.waiting: list[tuple[Source, Sequence[FrameRecord]]] = []
        self.committed = clock.monotonic()
        self.bad: list[tuple[int, Problem]] = []

    def read(self, pool: Engine) -> None:
        """Read them all.

        Raises:
            ArchiveError: the disk refuses; what was whole before is in, the rest is swept away.
        """
        whole = self.writer.whole
        tasks = [self._task(number, file, whole) for number, file in enumerate(self.files)]
        try:
            for result in pool.each(ingest_file, tasks, _lost):
                self._done(result)
            self._commit()
        except BaseException:
            pool.abort()
            try:
                self._commit()
            finally:
                self.writer.sweep()
            raise
        finally:
            self.filled.problems += [p for _, p in sorted(self.bad, key=lambda pair: pair[0])]

    def _task(self, number: int, file: Wanted, whole: npt.NDArray[np.bool_]) -> FileTask:
        slots = tuple(self.writer.slot_of(file.times).tolist())
        taken = {s: self._taken(s, file.scan) for s in slots if s < len(whole) and whole[s]}
        return FileTask(
            number, file, slots, taken, self.writer.path, self.writer.first_time, os.getpid(), self.reissued
        )

    def _taken(self, slot: int, scan: Scan) -> Taken:
        source = self.writer.source_of(slot)
        share = self.writer.observed_share(slot)
        if source is None:
            return Taken("an unknown file", share, cut_short=False, older_issue=False)
        other = source.source_grid != scan.source_grid
        same = quantity_of(scan) == MeasuredQuantity.of(source)
        older = not other and same and scan.mtime_ns > source.mtime_ns
        handed_over = self.writer.handed_over(slot, scan.sha256)
        return Taken(source.name, share, not source.complete, older, handed_over, other)

    def _done(self, result: FileResult) -> None:
        file = self.files[result.number]
        if result.disk:
            self._stop(result.disk)
        lines = (*file.problems, *result.problems)
        if len(lines) > _MOST_LINES:
            lines = (*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more such frames")
        path = file.scan.path
        self.bad += [(result.number, Problem(path, f"{path}: {line}")) for line in lines]
        complete = file.final and not result.broken
        credited = len(result.frames) + self.writer.credit(file.scan.sha256)
        if complete or credited:
            source = file.scan.as_source(credited, lines if complete else (), complete)
            self.waiting.append((source, result.frames))
        replaced = sum(frame.replaces for frame in result.frames)
        self.filled.frames += len(result.frames) - replaced
        self.filled.replaced += replaced
        self.filled.same += result.same
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


def _lost(task: FileTask, how: str) -> FileResult:
    return FileResult(
        task.number,
        broken=True,
        problems=[f"reading it {how}; the file is damaged or too large for the memory"],
    )
