"""The option ``--set`` of every command that takes settings: one form, whatever they are of."""

from __future__ import annotations

import argparse


def add_set_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare ``--set KEY=VALUE ...``, which may come several times; ``what`` is its help."""
    parser.add_argument(
        "--set", dest="assignments", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help=what
    )
