"""`nowcast watch`: cycles on the radar's own clock, in the foreground."""

from __future__ import annotations

import argparse
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from nowcast.cli.cycle import add_service_arguments, start_log

if TYPE_CHECKING:
    import numpy as np

    from nowcast.service.clock import Clock
    from nowcast.service.settings import ServiceSettings

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_service_arguments(parser)
    parser.add_argument(
        "--replay", type=Path, metavar="ARCHIVE", help="run on archived data instead"
    )
    parser.add_argument(
        "--speed", type=float, default=60.0, help="replay so many times as fast (60)"
    )
    parser.add_argument("--start", metavar="TIME", help="replay from this time on")
    parser.add_argument("--cycles", type=int, metavar="N", help="end after so many cycles")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM, the end of the replay or the number of cycles; give 0."""
    from nowcast.core.errors import SettingsError
    from nowcast.core.times import parse_time
    from nowcast.service.clock import SystemClock
    from nowcast.service.replay import Replay
    from nowcast.service.schedule import stop_on_signals
    from nowcast.service.settings import read_settings

    start_log()
    if args.speed <= 0:
        raise SettingsError(f"--speed: got {args.speed:g}, expected a number above zero")
    if args.cycles is not None and args.cycles < 1:
        raise SettingsError(f"--cycles: got {args.cycles}, expected at least 1")
    settings = read_settings(args.config, args.assignments)
    with stop_on_signals() as stop:
        if args.replay:
            start = parse_time(args.start) if args.start else None
            replay = Replay(settings, args.replay, args.speed, start)
            _loop(replay.settings, replay.clock, replay.step, stop, args.cycles, replay)
        else:
            _loop(settings, SystemClock(), _step(settings), stop, args.cycles, None)
    return 0


def _step(settings: ServiceSettings) -> np.timedelta64:
    from nowcast.archive.reader import Archive
    from nowcast.core.errors import SettingsError

    if settings.step is not None:
        return settings.step
    if not settings.archive.exists():
        raise SettingsError(
            f"step_minutes: got none, expected the radar's time step; it can be left out once the "
            f"archive {settings.archive} exists"
        )
    return Archive.open(settings.archive).step


def _loop(
    settings: ServiceSettings, clock: Clock, step: np.timedelta64, stop: threading.Event,
    cycles: int | None, replay: object,
) -> None:  # fmt: skip
    import numpy as np

    from nowcast.service.cycle import run_cycle
    from nowcast.service.lock import BusyError
    from nowcast.service.replay import Replay
    from nowcast.service.schedule import watch

    def once() -> None:
        if isinstance(replay, Replay):
            replay.feed()
            if replay.over:
                stop.set()
        try:
            cycle = run_cycle(settings, clock)
            log.info("%s %s", cycle.outcome, cycle.message)
        except BusyError as error:
            log.error("%s", error)

    late = np.timedelta64(int(settings.late_minutes * 60), "s").astype("timedelta64[ns]")
    done = watch(once, clock, step, late, stop, cycles)
    log.info("ended after %d cycles", done)
