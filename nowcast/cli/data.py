"""``nowcast data check``: say what a folder of videos or fields is, what is there and what is missing."""

from __future__ import annotations

import argparse
from pathlib import Path

from nowcast.cli.help_page import HelpPage

HELP = HelpPage(
    """Looks at a folder of a data set before anything is trained on it: which set it is and how it is laid
out, how many videos, frames and sizes, which parts, and what is missing: persons, actions, subjects,
files that a list or a catalog names. Every frame is read once, so damaged files are found now.""",
    examples=(
        ("nowcast data check kth", "is it whole?"),
        ("nowcast data check human36m --kind human36m", "as one kind of source and no other"),
        ("nowcast data check sevir --processes 8", "eight files at a time"),
    ),
    exit_codes="0 every file can be read, 2 a mistake, damaged files, or a list that names what is not there.",
    again="nothing is written; run the same command again",
    see=("nowcast train", "docs/howto/data-sets.md", "docs/howto/videos.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of every part of the command."""
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    check = parts.add_parser("check", help="read every frame; say what is there and what is missing")
    check.add_argument("folder", type=Path, metavar="FOLDER", help="of a data set, or one of its files")
    check.add_argument(
        "--kind",
        metavar="KIND",
        help="kind of source that it is to be, such as kth (default: what its names tell)",
    )
    check.add_argument(
        "--processes", type=int, default=2, metavar="N", help="that read side by side (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Check and say what was found; 2 where something cannot be read."""
    from nowcast.workflows.check_data import check_data

    found = check_data(args.folder, args.kind, processes=args.processes, progress=True)
    print(found)
    return 0 if found.sound else 2
