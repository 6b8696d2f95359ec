"""`nowcast status`: how a service is doing, for people and for monitoring."""

from __future__ import annotations

import argparse

from nowcast.cli.cycle import add_service_arguments
from nowcast.cli.help_page import HelpPage

HELP = HelpPage(
    """Says how a service of scheduled nowcasts is doing: newest frame, last nowcast, running skill,
warnings, disk.""",
    examples=(
        ("nowcast status --config service.yaml", "for people"),
        (
            "nowcast status --config service.yaml --json",
            "for monitoring; the exit code says enough for an alarm",
        ),
    ),
    exit_codes="0 healthy, 1 something to look at, 2 bad settings, no service here or a damaged ledger.",
    see=("nowcast watch", "docs/howto/schedule-nowcasts.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_service_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the state; return 0 when healthy, else 1."""
    from nowcast.core.errors import FileError
    from nowcast.service.ledger import Ledger
    from nowcast.service.settings import read_settings
    from nowcast.service.status import as_json, as_text, clock_of, read_status

    settings = read_settings(args.config, args.assignments)
    path = settings.output / "ledger.sqlite"
    if not path.exists():
        raise FileError(f"{path}: no ledger here, expected one of a service that has run; run a cycle first")
    with Ledger(path) as ledger:
        ledger.check()
        status = read_status(settings, ledger, clock_of(ledger))
    print(as_json(status) if args.json else as_text(status))
    return 0 if status.healthy else 1
