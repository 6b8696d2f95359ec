"""Arguments of commands whose work is spread over workers."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nowcast.core.engine import Engine


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the work is done."""
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes of this machine, at most one a core, 1 for this one alone; default: one a core "
        "where the work is long",
    )
    add_scheduler_argument(parser)
    parser.add_argument(
        "--dashboard", action="store_true", help="serve dask's dashboard of the local workers to this machine"
    )


def add_scheduler_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the address of a cluster."""
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="work on the cluster of this dask scheduler, such as tcp://10.0.0.1:8786; its workers must see "
        "archives and files under the same paths",
    )


def engine_of(args: argparse.Namespace) -> AbstractContextManager[Engine]:
    """Open the engine that the arguments ask for; without any, one that spreads long work."""
    from nowcast.core.engine import open_engine

    return open_engine(args.workers, args.scheduler, args.dashboard)


def engine_asked_for(args: argparse.Namespace) -> AbstractContextManager[Engine | None]:
    """Open the engine that the arguments ask for; without any, the workflow chooses by its forecasters."""
    asked = args.workers is not None or args.scheduler is not None or args.dashboard
    return engine_of(args) if asked else nullcontext()
