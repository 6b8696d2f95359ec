"""``nowcast archive``: check an archive, or make one from others: thinned, cropped, merged, copied."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any

from nowcast.cli.help_page import HelpPage
from nowcast.cli.workers import add_worker_arguments, engine_of

if TYPE_CHECKING:
    import numpy as np

_SECONDS = {"s": 1.0, "min": 60.0, "": 60.0, "h": 3600.0}

HELP = HelpPage(
    """Checks an archive against its own record, or makes a new one from one or several: thinned to a
longer step, cropped in space or time, merged, copied. What it is made from stays as it is.""",
    examples=(
        ("nowcast archive check italy.zarr", "is every frame still what was written?"),
        (
            "nowcast archive thin italy.zarr --every 10min --out italy_10min.zarr",
            "every second of 5-minute frames",
        ),
        ("nowcast archive crop italy.zarr --box 6.5,44,14,47.5 --out north.zarr", "a part of the map"),
        (
            "nowcast archive crop italy.zarr --period 2025-03-01/2025-03-07 --out week.zarr",
            "a part of the time",
        ),
        (
            "nowcast archive merge one.zarr other.zarr --overlap fill --out both.zarr",
            "gaps of one filled by the other",
        ),
        ("nowcast archive copy italy.zarr --out s3://bucket/italy.zarr", "to an object store"),
    ),
    exit_codes="0 done, 2 a mistake, or a check that finds damage.",
    again="nothing half-made stays; run the same command again",
    see=("nowcast info", "docs/howto/grids.md", "docs/howto/cluster.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of every part of the command."""
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    check = parts.add_parser("check", help="read every frame and compare it with the archive's record of it")
    check.add_argument("archive", help="archive made by 'nowcast ingest': a folder or s3://...")
    add_worker_arguments(check)
    thin = _maker(parts, "thin", "keep the frames of a longer step")
    thin.add_argument("--every", required=True, metavar="TIME", help="such as 10min or 1h")
    crop = _maker(parts, "crop", "keep a part of the grid or of the time")
    crop.add_argument("--period", metavar="START/END", help="UTC; a bare end date is included")
    crop.add_argument("--box", metavar="WEST,SOUTH,EAST,NORTH", help="in degrees; negative as --box=-5,...")
    crop.add_argument("--rows", metavar="FIRST:END", help="from the north, the end not included")
    crop.add_argument("--columns", metavar="FIRST:END", help="from the west, the end not included")
    merge = _maker(parts, "merge", "put archives of one grid and step into one", many=True)
    merge.add_argument(
        "--overlap",
        default="first",
        metavar="RULE",
        help="of a time that several hold: 'first' (default) takes the frame of the first, 'fill' what that "
        "has not observed from the next, 'max' of every cell the largest",
    )
    _maker(parts, "copy", "copy an archive, also to or from an object store")


def _maker(parts: Any, name: str, text: str, many: bool = False) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text)
    if many:
        parser.add_argument("archive", nargs="+", help="archives in the order of preference")
    else:
        parser.add_argument("archive", help="archive made by 'nowcast ingest': a folder or s3://...")
    parser.add_argument("--out", required=True, help="the new archive: a folder or s3://...")
    parser.add_argument("--overwrite", action="store_true", help="take the place of an archive that is there")
    add_worker_arguments(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Do the part and say what was done; 2 when a check finds damage."""
    from nowcast.workflows import archive_tools as tools
    from nowcast.workflows.check_archive import check_archive

    chosen = (
        {
            "period": args.period,
            "box": _box(args.box),
            "rows": _range("rows", args.rows),
            "columns": _range("columns", args.columns),
        }
        if args.part == "crop"
        else {}
    )
    every = _time(args.every) if args.part == "thin" else None
    with engine_of(args) as engine:
        if args.part == "check":
            found = check_archive(args.archive, progress=True, engine=engine)
            print(found)
            return 0 if found.sound else 2
        settings: dict[str, Any] = {"overwrite": args.overwrite, "progress": True, "engine": engine}
        if every is not None:
            report = tools.thin_archive(args.archive, every, args.out, **settings)
        elif args.part == "crop":
            report = tools.crop_archive(args.archive, args.out, **chosen, **settings)
        elif args.part == "merge":
            report = tools.merge_archives(args.archive, args.out, overlap=args.overlap, **settings)
        else:
            report = tools.copy_archive(args.archive, args.out, **settings)
    print(report)
    return 0


def _time(text: str) -> np.timedelta64:
    import numpy as np

    from nowcast.core.errors import SettingsError

    found = re.fullmatch(r"(\d{1,6}(?:\.\d+)?) ?(s|min|h|)", text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if seconds <= 0 or seconds % 1:
        raise SettingsError(f"--every: got '{text}', expected a time of whole seconds such as 10min or 1h")
    return np.timedelta64(round(seconds), "s")


def _box(text: str | None) -> tuple[float, ...] | None:
    from nowcast.core.errors import SettingsError

    if text is None:
        return None
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError as error:
        raise SettingsError(
            f"--box: got '{text}', expected WEST,SOUTH,EAST,NORTH in degrees such as 6.5,44,14,47.5"
        ) from error
    return west, south, east, north


def _range(name: str, text: str | None) -> tuple[int, int] | None:
    from nowcast.core.errors import SettingsError

    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,9}):(\d{1,9})", text.strip())
    if found is None:
        raise SettingsError(f"--{name}: got '{text}', expected FIRST:END such as 0:256")
    return int(found[1]), int(found[2])
