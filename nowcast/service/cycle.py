"""One nowcast cycle: look, ingest, forecast, publish, verify, tidy up, write it down, exit."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError
from nowcast.core.times import minutes, to_text
from nowcast.ingest.pipeline import ingest
from nowcast.service.clock import Clock
from nowcast.service.inbox import look
from nowcast.service.ledger import INGESTED, REFUSED, Ledger
from nowcast.service.lock import only_one
from nowcast.service.model_run import run_model
from nowcast.service.publish import point_latest, prune, publish, recover
from nowcast.service.scoring import score_pending
from nowcast.service.settings import ServiceSettings
from nowcast.service.status import refresh

log = logging.getLogger(__name__)

PUBLISHED, FAILED, NOTHING_NEW, FALLBACK = 0, 1, 3, 4
OUTCOMES = {
    PUBLISHED: "published", FAILED: "failed", NOTHING_NEW: "nothing_new", FALLBACK: "fallback",
}  # fmt: skip


@dataclass
class Cycle:
    """What one cycle did; `exit_code` is what the process ends with."""

    started: np.datetime64
    exit_code: int = NOTHING_NEW
    frame: np.datetime64 | None = None
    message: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """The exit code as a word."""
        return OUTCOMES[self.exit_code]

    def say(self, text: str) -> None:
        """Add to the message and to the log."""
        log.info(text)
        self.message = f"{self.message}; {text}" if self.message else text

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time the block takes to the cycle's durations."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - began


def run_cycle(settings: ServiceSettings, clock: Clock) -> Cycle:
    """Run one cycle to its end; a mistake or a fault ends up in the result, not as an exception.

    Raises:
        BusyError: another cycle of this service is running.
    """
    cycle = Cycle(clock.now())
    with only_one(settings.output):
        try:
            ledger = Ledger(settings.output / "ledger.sqlite")
        except NowcastError as error:
            cycle.exit_code = FAILED
            cycle.say(str(error))
            return cycle
        with contextlib.closing(ledger):
            try:
                _run(settings, clock, ledger, cycle)
            except (NowcastError, OSError, MemoryError) as error:
                cycle.exit_code = FAILED
                cycle.say(str(error) or type(error).__name__)
            _write_down(settings, clock, ledger, cycle)
    return cycle


def _run(settings: ServiceSettings, clock: Clock, ledger: Ledger, cycle: Cycle) -> None:
    with cycle.timed("recover"):
        again = recover(settings, ledger, clock.now())
        if again:
            cycle.say(f"{again} published nowcasts entered into the ledger after a crash")
    with cycle.timed("ingest"):
        _take_in(settings, clock, ledger, cycle)
    if not settings.archive.exists():
        cycle.say("no archive yet: no usable file has come in")
        return
    archive = Archive.open(settings.archive)
    if len(archive.times) == 0:
        cycle.say("the archive holds no whole frame yet")
        return
    for frame in _frames_to_use(settings, ledger, archive):
        _forecast(settings, clock, ledger, archive, frame, cycle)
    with cycle.timed("verify"):
        score_pending(settings, ledger, archive)
    with cycle.timed("prune"):
        prune(settings, ledger, archive.times[-1])


def _take_in(settings: ServiceSettings, clock: Clock, ledger: Ledger, cycle: Cycle) -> None:
    found = look(settings.inputs, ledger, settings.settle_seconds, clock.now())
    for folder in found.unreadable:
        cycle.say(f"input not readable: {folder}")
    if not found.arrivals:
        return
    report = ingest(
        [a.path for a in found.arrivals], settings.archive, workers_count=1, progress=False,
        step=settings.step, now=clock.now(),
    )  # fmt: skip
    bad = {str(problem.path): str(problem) for problem in report.problems}
    for arrival in found.arrivals:
        reason = bad.get(str(arrival.path), "")
        outcome = REFUSED if reason else INGESTED
        ledger.note_file(
            str(arrival.path), arrival.size, arrival.mtime_ns, clock.now(), outcome, reason
        )
    if bad:
        cycle.say(f"{len(bad)} files refused, first: {next(iter(bad.values()))}")


def _frames_to_use(
    settings: ServiceSettings, ledger: Ledger, archive: Archive
) -> list[np.datetime64]:
    """Give the frames to forecast from, the newest first: it is the one people wait for."""
    newest = archive.times[-1]
    if settings.missed == "skip":
        return [] if ledger.is_issued(newest) else [newest]
    issued = ledger.issued()
    since = issued[-1].issued if issued else newest - archive.step
    missed = [t for t in archive.times[::-1] if t > since and not ledger.is_issued(t)]
    return missed[: settings.catch_up_limit]


def _forecast(
    settings: ServiceSettings, clock: Clock, ledger: Ledger, archive: Archive,
    frame: np.datetime64, cycle: Cycle,
) -> None:  # fmt: skip
    age = minutes(clock.now() - frame)
    if age > minutes(archive.step) + settings.late_minutes:
        cycle.say(f"newest whole frame {to_text(frame)} is {age:.0f} minutes old")
    with cycle.timed("forecast"):
        run = run_model(settings, archive, frame)
    if run.fallback:
        cycle.say(f"published by {run.model} instead: {run.fallback}")
    with cycle.timed("publish"):
        nowcast, manifest = publish(settings, archive, frame, run, clock.now())
        ledger.note_nowcast(nowcast, clock.now(), manifest)
        if cycle.frame is None or frame > cycle.frame:
            point_latest(settings.output, nowcast.folder)
            cycle.frame = frame
    if cycle.exit_code != FALLBACK:
        cycle.exit_code = FALLBACK if run.fallback else PUBLISHED


def _write_down(settings: ServiceSettings, clock: Clock, ledger: Ledger, cycle: Cycle) -> None:
    """Enter the cycle and refresh page and status; a full disk must not hide what was published."""
    cycle.seconds["total"] = sum(cycle.seconds.values())
    try:
        ledger.note_cycle(
            cycle.started, cycle.frame, cycle.outcome, cycle.exit_code, cycle.message, cycle.seconds
        )
        refresh(settings, ledger, clock)
    except (NowcastError, OSError) as error:
        log.warning("cycle not written down: %s", error)
