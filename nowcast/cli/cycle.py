"""`nowcast cycle`: one scheduled nowcast, for cron and timers."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from nowcast.cli.help_page import HelpPage
from nowcast.cli.set_argument import add_set_argument

HELP = HelpPage(
    """Runs one scheduled nowcast for cron or a timer: takes in what files have come, forecasts,
publishes whole or not at all, and verifies earlier nowcasts against what was observed since. A model
that fails is replaced by extrapolation. Copy the example and set its folders: nowcast configs copy
example service.yaml.""",
    examples=(
        ("nowcast cycle --config service.yaml", "one cycle now"),
        (
            "nowcast cycle --config example --set model=motionrnn output=out",
            "the packaged example, with two settings",
        ),
        ("nowcast cycle --config service.yaml --log json", "events as JSON, for a log collector"),
    ),
    exit_codes="0 published, 3 nothing new, 4 published by the fallback, 1 failed, 2 bad settings.",
    again="nothing half-published stays; the next cycle takes up what is left",
    see=("nowcast watch", "nowcast status", "docs/howto/schedule-nowcasts.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_service_arguments(parser)
    add_log_argument(parser)
    parser.add_argument("--now", metavar="TIME", help="run as if it were this moment (for trials)")


def add_service_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe what `cycle`, `watch` and `status` share."""
    parser.add_argument("--config", type=Path, required=True, metavar="NAME|YAML", help="the service")
    add_set_argument(parser, "put a setting over the file's, for example output=out")


def add_log_argument(parser: argparse.ArgumentParser) -> None:
    """Describe the choice of the log's form."""
    parser.add_argument(
        "--log",
        choices=("text", "json"),
        default="text",
        help="one line an event on standard error, for people or as JSON (text)",
    )


def start_log(form: str) -> None:
    """Log to stderr, one line an event, in UTC."""
    from nowcast.service.log_lines import JsonLines, TextLines

    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def run(args: argparse.Namespace) -> int:
    """Run one cycle; return its exit code."""
    from nowcast.core.lock import BusyError
    from nowcast.core.times import parse_time
    from nowcast.service.asked import check_asked
    from nowcast.service.clock import Clock, ManualClock, SystemClock
    from nowcast.service.cycle import run_cycle
    from nowcast.service.settings import check_model, read_settings

    start_log(args.log)
    settings = read_settings(args.config, args.assignments)
    check_model(settings)
    check_asked(settings)
    clock: Clock = ManualClock(parse_time(args.now)) if args.now else SystemClock()
    try:
        cycle = run_cycle(settings, clock)
    except BusyError as error:
        logging.getLogger(__name__).error("%s", error)
        return 1
    logging.getLogger(__name__).info("cycle", extra=cycle.record())
    print(f"{cycle.outcome}: {cycle.message or settings.output / 'latest'}")
    return cycle.exit_code
