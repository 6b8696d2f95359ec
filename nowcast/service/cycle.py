"""One nowcast cycle: look, ingest, forecast, publish, verify, tidy up, write it down, exit."""

from __future__ import annotations

import contextlib
import importlib
import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError, printable
from nowcast.core.lock import BusyError, sole_holder
from nowcast.core.times import minutes, to_text
from nowcast.service.asked import feasible
from nowcast.service.clock import Clock
from nowcast.service.hooks import tell
from nowcast.service.intake import take_in
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import NEWEST_FRAME, REPLAY, STEP_SECONDS
from nowcast.service.model_run import ModelProcess, run_model
from nowcast.service.publish import point_latest, publish
from nowcast.service.retention import prune, recover
from nowcast.service.scoring import score_pending
from nowcast.service.settings import ServiceSettings
from nowcast.service.status import age_text
from nowcast.service.warning_ledger import WarningLedger, entries_of
from nowcast.service.warning_scoring import verify_warnings
from nowcast.service.web import refresh

log = logging.getLogger(__name__)

PUBLISHED, FAILED, NOTHING_NEW, FALLBACK = 0, 1, 3, 4
OUTCOMES = {PUBLISHED: "published", FAILED: "failed", NOTHING_NEW: "nothing_new", FALLBACK: "fallback"}


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

    def note(self, text: str) -> None:
        """Add to the message, on one line whatever a file is called or says."""
        text = printable(text)
        self.message = f"{self.message}; {text}" if self.message else text

    def fail(self, error: Exception) -> None:
        """Note that the cycle failed and why; what is no `NowcastError` is logged with its place."""
        if not isinstance(error, (NowcastError, OSError, MemoryError)):
            log.error("unexpected", exc_info=error)
        self.exit_code = FAILED
        self.note(str(error) or type(error).__name__)

    def record(self) -> dict[str, object]:
        """Return what the log says of the cycle, for ``logging``'s ``extra``."""
        return {
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "frame": None if self.frame is None else to_text(self.frame),
            "seconds": {part: round(s, 2) for part, s in self.seconds.items()},
            "detail": self.message,
        }

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time the block takes to the cycle's durations."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - began


def only_one(output: Path) -> AbstractContextManager[None]:
    """Hold the service's lock: one cycle at a time.

    Raises:
        BusyError: another cycle is running; the message names its process.
    """
    return sole_holder(
        output / ".lock",
        lambda holder: BusyError(
            f"{output}: another cycle of this service is running (process {holder}); wait for it to end"
        ),
    )


def run_cycle(settings: ServiceSettings, clock: Clock, replay: str = "") -> Cycle:
    """Run one cycle to its end; a mistake or a fault ends up in the result, not as an exception.

    Args:
        settings: the service.
        clock: the machine's or a simulated one.
        replay: the archive that is replayed; empty for a service on files that come in.

    Raises:
        BusyError: another cycle of this service is running.
    """
    cycle = Cycle(clock.now())
    try:
        with only_one(settings.output), Ledger(settings.output / "ledger.sqlite") as ledger:
            _check_kind(settings, ledger, replay)
            with contextlib.closing(ModelProcess(settings)) as process:
                try:
                    _run(settings, clock, ledger, cycle, process)
                except Exception as error:
                    cycle.fail(error)
            _write_down(settings, clock, ledger, cycle)
            if tell(settings, WarningLedger(ledger), clock.now()):
                _refresh(settings, clock, ledger)
    except BusyError:
        raise
    except Exception as error:
        cycle.fail(error)
    return cycle


def _check_kind(settings: ServiceSettings, ledger: Ledger, replay: str) -> None:
    """Keep real nowcasts and replayed ones in different folders: nobody could tell them apart there."""
    kind = ledger.metadata().get(REPLAY)
    if kind == replay:
        return
    if kind is not None and ledger.newest() is not None:
        raise NowcastError(
            f"output: got {settings.output}, which holds {f'a replay of {kind}' if kind else 'nowcasts'}"
            f", expected a folder of its own for {f'a replay of {replay}' if replay else 'nowcasts'}"
        )
    if kind is not None:  # cycles that published nothing leave nothing that could be mixed up
        ledger.forget_cycles()
    ledger.note_metadata({REPLAY: replay})


def _run(settings: ServiceSettings, clock: Clock, ledger: Ledger, cycle: Cycle, process: ModelProcess) -> None:
    with cycle.timed("recover"):
        again = recover(settings, ledger, clock.now())
        if again:
            cycle.note(f"{again} published nowcasts entered into the ledger after a crash")
    with cycle.timed("ingest"):
        take_in(settings, ledger, clock.now(), cycle.note, lambda: _prepare(settings, process))
    if not settings.archive.exists():
        cycle.note("no archive yet: no usable file has come in")
        return
    archive = Archive.open(settings.archive)
    if len(archive.times) == 0:
        cycle.note("the archive holds no whole frame yet")
        return
    seconds = int(archive.step / np.timedelta64(1, "s"))
    ledger.note_metadata({NEWEST_FRAME: to_text(archive.times[-1]), STEP_SECONDS: str(seconds)})
    frames = _frames_to_use(settings, ledger, archive)
    asked = _asked(settings, archive, cycle) if frames else settings
    for frame in frames:
        _forecast(asked, clock, ledger, archive, frame, cycle, process)
    with cycle.timed("verify"):
        score_pending(settings, ledger, archive)
        verify_warnings(settings, WarningLedger(ledger), archive)
    with cycle.timed("prune"):
        prune(settings, ledger, archive.times[-1])


def _asked(settings: ServiceSettings, archive: Archive, cycle: Cycle) -> ServiceSettings:
    """The settings without what cannot be had; a fault here costs places and warnings, not the forecast."""
    try:
        return feasible(settings, archive, cycle.note)
    except Exception as error:
        log.exception("places and warnings")
        cycle.note(f"nothing is said of places and warnings: {error}")
        return replace(settings, places=(), areas=None, warnings=())


def _prepare(settings: ServiceSettings, process: ModelProcess) -> None:
    """Use the wait for a file to settle: load the model beside, and what draws here."""
    process.start()
    if settings.products.maps:
        importlib.import_module("nowcast.report.loop")


def _frames_to_use(settings: ServiceSettings, ledger: Ledger, archive: Archive) -> list[np.datetime64]:
    """Return the frames to forecast from, the newest first: it is the one people wait for."""
    newest = archive.times[-1]
    if settings.missed == "skip":
        return [] if ledger.has_nowcast(newest) else [newest]
    last = ledger.newest()
    since = last.reference_time if last else newest - archive.step
    missed = [t for t in archive.times[::-1] if t > since and not ledger.has_nowcast(t)]
    return missed[: settings.catch_up_limit]


def _forecast(
    settings: ServiceSettings,
    clock: Clock,
    ledger: Ledger,
    archive: Archive,
    frame: np.datetime64,
    cycle: Cycle,
    process: ModelProcess,
) -> None:
    age = minutes(clock.now() - frame)
    if age > minutes(archive.step) + settings.late_minutes:
        cycle.note(f"newest whole frame {to_text(frame)} is {age_text(age)} old")
    with cycle.timed("forecast"):
        run = run_model(settings, archive, frame, process, cycle.note)
    if run.fallback:
        cycle.note(f"published by {run.model} instead: {run.fallback}")
    with cycle.timed("publish"):
        known, replay = WarningLedger(ledger), bool(ledger.metadata().get(REPLAY))
        nowcast, manifest = publish(settings, archive, frame, run, clock.now(), cycle.note, known, replay)
        ledger.note_nowcast(nowcast, clock.now(), manifest, entries_of(settings, manifest))
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
    except Exception as error:
        _warn(error)
    else:
        _refresh(settings, clock, ledger)


def _refresh(settings: ServiceSettings, clock: Clock, ledger: Ledger) -> None:
    try:
        refresh(settings, ledger, clock)
    except Exception as error:
        _warn(error)


def _warn(error: Exception) -> None:
    known = isinstance(error, (NowcastError, OSError))
    log.warning("cycle not written down: %s", error, exc_info=None if known else error)
