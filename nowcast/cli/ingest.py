"""``nowcast ingest``: read radar files into an archive, or add the new ones to it."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from nowcast.cli.help_page import HelpPage
from nowcast.cli.workers import add_scheduler_argument

if TYPE_CHECKING:
    from nowcast.ingestion.readers.base import Reader

_FILE_SECONDS = 3600.0
"""Most time for one file: beyond it, or where it crashes a library, it is a problem and the rest goes in."""

HELP = HelpPage(
    """Reads radar files of any known format (see 'nowcast formats') and of any naming by a mapping,
puts them on one grid and into one Zarr archive in dBZ. Run again later, it reads only what is new. A
file that cannot be taken is named with its reason, and the others go in.""",
    examples=(
        (
            "nowcast ingest radar/ --archive italy.zarr",
            "every file of a folder, format and step told from them",
        ),
        ("nowcast ingest mrms/ --archive mrms.zarr --grid EPSG:3857@2km --resample mean", "onto another grid"),
        ("nowcast ingest rain/ --archive rain.zarr --z-r marshall_palmer", "rain rates, by a Z-R relation"),
        (
            "nowcast ingest own/ --archive own.zarr --mapping netcdf",
            "files of another naming; a copy of the example is yours to change: nowcast configs copy netcdf",
        ),
        ("nowcast ingest volumes/ --archive radar.zarr --polar lowest_beam --grid grid.yaml", "polar volumes"),
    ),
    exit_codes="0 all files are in, 2 a mistake, or some files could not be taken.",
    again="what has been read stays in the archive; the same command goes on",
    see=("nowcast info", "nowcast archive", "docs/howto/ingest-radar-files.md", "docs/howto/grids.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="FILE_OR_FOLDER",
        help="radar files; folders are searched through",
    )
    parser.add_argument("--archive", required=True, type=Path, help="the archive, made if need be")
    parser.add_argument("--reader", metavar="NAME", help="format; found by content if not given")
    parser.add_argument(
        "--variable", metavar="NAME", help="variable of CF netCDF files, where several would do"
    )
    parser.add_argument(
        "--z-r",
        metavar="NAME|a=200,b=1.6",
        help="relation between rain and dBZ; the archive's or the source's own if not given",
    )
    parser.add_argument(
        "--mapping",
        type=Path,
        metavar="NAME|FILE.yaml",
        help="what files of any other naming hold, and where and when they are",
    )
    parser.add_argument(
        "--polar",
        metavar="METHOD|KEY=VALUE,...|FILE.yaml",
        help="put polar volumes on a grid: lowest_beam, maximum, or method=cappi,height_km=2",
    )
    parser.add_argument(
        "--grid",
        metavar="FILE.yaml|OTHER.zarr|EPSG:CODE@SIZE",
        help="put all files on this grid; an archive made so keeps its own",
    )
    parser.add_argument(
        "--resample",
        metavar="METHOD[,KEY=VALUE]",
        help="with --grid: nearest (default), mean or conservative; mean_in=z|dbz, observed_share=0.5",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default: one a core")
    add_scheduler_argument(parser)
    parser.add_argument(
        "--step", type=float, metavar="MINUTES", help="step of a new archive; told from the times if not given"
    )
    parser.add_argument(
        "--reissued",
        metavar="POLICY",
        default="complete",
        help="a second frame for a time that is in: 'complete' (default) replaces a frame of "
        "the same source that was cut short or has fewer observed cells, 'replace' always "
        "replaces one of the same source, 'keep' keeps the first, 'refuse' also says so",
    )
    parser.add_argument("--licence", metavar="TEXT", help="terms of the data, kept in the archive")


def _reader(args: argparse.Namespace) -> str | Reader | None:
    from nowcast.core.errors import SettingsError
    from nowcast.ingestion.mapped.reader import mapped

    if args.mapping is not None:
        if args.reader is not None or args.variable is not None:
            raise SettingsError(
                "--mapping: got it with --reader or --variable, expected it alone; say in the "
                "mapping what is read"
            )
        return mapped(args.mapping)
    if args.variable is None:
        return str(args.reader) if args.reader else None
    if args.reader not in (None, "cf_netcdf"):
        raise SettingsError(
            f"--variable: got it with --reader {args.reader}, expected it with cf_netcdf; leave one of them out"
        )
    return f"cf_netcdf:{args.variable}"


def run(args: argparse.Namespace) -> int:
    """Ingest, say what was done, list what could not be taken; 2 when there was any."""
    import numpy as np
    from tqdm import tqdm

    from nowcast.core.engine import open_engine
    from nowcast.core.errors import SettingsError
    from nowcast.ingestion.polar.settings import polar_settings
    from nowcast.workflows.ingest import ingest

    tqdm.monitor_interval = 0  # a thread of its own, with which no worker could be forked
    step = None
    if args.step is not None:
        if not 0 < args.step <= 24 * 60:
            raise SettingsError(f"--step: got {args.step:g}, expected minutes above 0 and up to 1440")
        step = np.timedelta64(round(args.step * 60), "s")
    if args.workers is not None and args.workers < 1:
        raise SettingsError(f"--workers: got {args.workers}, expected 1 or more")
    with nullcontext() if args.scheduler is None else open_engine(args.workers, args.scheduler) as engine:
        report = ingest(
            args.paths,
            args.archive,
            workers_count=args.workers,
            reader=_reader(args),
            step=step,
            licence=args.licence,
            reissued=args.reissued,
            z_r=args.z_r,
            polar=None if args.polar is None else polar_settings(args.polar),
            file_seconds=_FILE_SECONDS,
            engine=engine,
            grid=args.grid,
            resample=args.resample,
        )
    print(report)
    if not report.problems:
        return 0
    number = len(report.problems)
    count = "1 problem" if number == 1 else f"{number} problems"
    taken = report.frames or report.same or report.replaced or report.known_files
    rest = "everything else is in the archive" if taken else "nothing is in the archive that was not before"
    print(f"nowcast ingest: {count}; {rest}:", file=sys.stderr)
    for problem in report.problems:
        print(f"  {problem}", file=sys.stderr)
    return 2
