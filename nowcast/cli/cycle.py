"""`nowcast cycle`: one scheduled nowcast, for cron and timers."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_service_arguments(parser)
    parser.add_argument("--now", metavar="TIME", help="run as if it were this moment (for trials)")
    parser.epilog = (
        "Exit codes: 0 published, 3 nothing new, 4 published by the fallback, 1 failed, "
        "2 bad settings."
    )


def add_service_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what `cycle`, `watch` and `status` share."""
    parser.add_argument("--config", type=Path, required=True, metavar="YAML", help="the service")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments",
        help="put a setting over the file's, for example output=out",
    )  # fmt: skip


def start_log() -> None:
    """Log to stderr, one line an event, in UTC."""
    import time

    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run one cycle; give its exit code."""
    from nowcast.core.times import parse_time
    from nowcast.service.clock import Clock, ManualClock, SystemClock
    from nowcast.service.cycle import run_cycle
    from nowcast.service.lock import BusyError
    from nowcast.service.settings import read_settings

    start_log()
    settings = read_settings(args.config, args.assignments)
    clock: Clock = ManualClock(parse_time(args.now)) if args.now else SystemClock()
    try:
        cycle = run_cycle(settings, clock)
    except BusyError as error:
        logging.getLogger(__name__).error("%s", error)
        return 1
    print(f"{cycle.outcome}: {cycle.message or settings.output / 'latest'}")
    return cycle.exit_code
