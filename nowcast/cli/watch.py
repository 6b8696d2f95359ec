"""`nowcast watch`: cycles on the radar's own clock, in the foreground."""

from __future__ import annotations

import argparse
import logging
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from nowcast.cli.cycle import add_log_argument, add_service_arguments, start_log
from nowcast.cli.help_page import HelpPage

if TYPE_CHECKING:
    import numpy as np

    from nowcast.service.clock import Clock
    from nowcast.service.replay import Replay
    from nowcast.service.settings import ServiceSettings

log = logging.getLogger(__name__)

HELP = HelpPage(
    """Runs scheduled nowcasts on the radar's own clock, in the foreground, until it is told to end; or
replays an archive as if it were happening now.""",
    examples=(
        ("nowcast watch --config service.yaml", "until Ctrl-C or SIGTERM"),
        (
            "nowcast watch --config example --replay italy.zarr --speed 60 --cycles 20",
            "20 cycles of archived data",
        ),
    ),
    exit_codes="0 ended as asked, 1 a cycle of a replay or of --cycles failed, 2 bad settings.",
    again="the cycle at work is ended in good order; the same command goes on",
    see=("nowcast cycle", "nowcast status", "docs/howto/schedule-nowcasts.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_service_arguments(parser)
    add_log_argument(parser)
    parser.add_argument("--replay", type=Path, metavar="ARCHIVE", help="run on archived data instead")
    parser.add_argument(
        "--speed",
        type=float,
        default=60.0,
        help="wait so many times shorter in a replay; a cycle takes the time it takes (60)",
    )
    parser.add_argument("--start", metavar="TIME", help="replay from this time on")
    parser.add_argument("--cycles", type=int, metavar="N", help="end after so many cycles")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM, the end of the replay or the number of cycles; return the exit code."""
    from nowcast.core.errors import SettingsError
    from nowcast.core.times import parse_time
    from nowcast.service.asked import check_asked
    from nowcast.service.clock import SystemClock
    from nowcast.service.replay import Replay
    from nowcast.service.schedule import stop_on_signals
    from nowcast.service.settings import check_model, read_settings

    start_log(args.log)
    if not 0 < args.speed < float("inf"):
        raise SettingsError(f"--speed: got {args.speed:g}, expected a number above zero")
    if args.cycles is not None and args.cycles < 1:
        raise SettingsError(f"--cycles: got {args.cycles}, expected at least 1")
    if args.start and not args.replay:
        raise SettingsError(f"--start: got {args.start}, expected it with --replay only")
    settings = read_settings(args.config, args.assignments)
    check_model(settings)
    check_asked(settings)
    with stop_on_signals() as stop:
        if args.replay:
            start = parse_time(args.start) if args.start else None
            replay = Replay(settings, args.replay, args.speed, start)
            failed = _loop(replay.settings, replay.clock, replay.step, stop, args.cycles, replay)
        else:
            failed = _loop(settings, SystemClock(), _step(settings), stop, args.cycles, None)
    bounded = args.replay is not None or args.cycles is not None
    return 1 if failed and bounded else 0


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
    step: np.timedelta64 = Archive.open(settings.archive).step
    return step


def _loop(
    settings: ServiceSettings,
    clock: Clock,
    step: np.timedelta64,
    stop: threading.Event,
    cycles: int | None,
    replay: Replay | None,
) -> int:
    """Run the cycles, log each and print how they went; return how many failed or could not run."""
    import numpy as np

    from nowcast.core.lock import BusyError
    from nowcast.service.cycle import run_cycle
    from nowcast.service.schedule import watch

    outcomes: Counter[str] = Counter()

    def once() -> None:
        if replay is not None:
            replay.feed()
            if replay.over:
                stop.set()
        try:
            cycle = run_cycle(settings, clock, "" if replay is None else str(replay.source))
        except BusyError as error:
            log.error("%s", error)
            outcomes["failed"] += 1
            return
        outcomes[cycle.outcome] += 1
        log.info("cycle", extra=cycle.record())

    late = np.timedelta64(int(settings.late_minutes * 60), "s").astype("timedelta64[ns]")
    done = watch(once, clock, step, late, stop, cycles)
    counted = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items()) or "none finished"
    print(f"ended after {done} cycles: {counted}")
    return outcomes["failed"]
