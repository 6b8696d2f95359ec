"""`nowcast at`: a forecast at places and over areas, as a table, JSON and a meteogram."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nowcast.cli.device_argument import add_device_argument, device_of
from nowcast.cli.help_page import HelpPage
from nowcast.cli.set_argument import add_set_argument

if TYPE_CHECKING:
    from datetime import tzinfo

    import xarray as xr

    from nowcast.postprocessing.places.locations import Location

HELP = HelpPage(
    """Says what a forecast holds for points, for all within a distance of them, and for areas: when
rain begins and ends, how strong and how likely it is, the sum of the next hour. As a table, as JSON
with a schema, and as a meteogram.""",
    examples=(
        ("nowcast at 45.46 9.19 --forecast nowcast.nc", "a place, as a table"),
        (
            "nowcast at 45.46 9.19 --within 5 --forecast members.nc --out milan.png",
            "5 km around it, as a meteogram",
        ),
        ("nowcast at -33.9 151.2 33.9S 151.3E --forecast nowcast.nc --json -", "two places, as JSON"),
        (
            "nowcast at --places towns.csv --areas basins.geojson --forecast rain.nc --json rain.json",
            "from files",
        ),
        ("nowcast at 45.46 9.19 --archive italy.zarr --model motionrnn --members 24", "forecast at once"),
    ),
    exit_codes="0 done, 2 a mistake, or nothing is known of any of the places.",
    see=("nowcast forecast", "docs/howto/places.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    # By default argparse takes "-33.9S" and "-33.9,151.2" for options; a sign and a digit are a place here.
    parser._negative_number_matcher = re.compile(r"^-\.?\d")
    parser.add_argument(
        "coordinates",
        nargs="*",
        metavar="LAT LON",
        help="points in degrees (WGS 84): 45.46 9.19, -33.9 151.2 or 33.9S 151.2E; several one after the other",
    )
    parser.add_argument("--places", type=Path, metavar="CSV", help="points of a CSV file: name,lat,lon")
    parser.add_argument("--areas", type=Path, metavar="GEOJSON", help="polygons of a GeoJSON file")
    parser.add_argument(
        "--within",
        type=float,
        default=0.0,
        metavar="KM",
        help="read points as all within this distance, not as their cell alone (default 0)",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--forecast", type=Path, metavar="FILE", help="a file that 'nowcast forecast' wrote")
    source.add_argument("--archive", type=Path, help="forecast now from this archive, with --model")
    parser.add_argument("--model", metavar="CKPT_OR_NAME", help="with --archive: as of 'nowcast forecast'")
    parser.add_argument(
        "--at",
        default="latest",
        metavar="TIME",
        help="with --archive: forecast reference time, UTC; the default is the newest frame",
    )
    parser.add_argument("--leads", type=int, default=10, help="with --archive: number of frames (default 10)")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="JSON",
        help="with --archive: file of 'nowcast calibrate' that knows the model",
    )
    parser.add_argument(
        "--members", type=int, metavar="N", help="with --archive: draw N members, for spread, sums and areas"
    )
    parser.add_argument("--seed", type=int, metavar="S", default=0, help="seed of the members (default 0)")
    add_set_argument(parser, "with --archive: settings of the model")
    add_device_argument(parser)
    parser.add_argument(
        "--z-r", metavar="NAME", help="Z-R relation for mm/h and mm; by default the one that the forecast names"
    )
    parser.add_argument(
        "--rain", type=float, default=10.0, metavar="DBZ", help="reflectivity that counts as rain (default 10)"
    )
    parser.add_argument("--json", metavar="FILE", help="write JSON; - prints it instead of the table")
    parser.add_argument("--out", type=Path, metavar="PNG", help="draw a meteogram of up to 12 places")
    parser.add_argument(
        "--time-zone",
        metavar="NAME",
        help="of local times in the meteogram, such as Europe/Rome; by default this machine's",
    )


def run(args: argparse.Namespace) -> int:
    """Print the table, write what was asked for; exit code 2 when nothing is known of any place."""
    from nowcast.core.files import check_place, replace_bytes
    from nowcast.postprocessing.places.document import to_json
    from nowcast.postprocessing.places.rows import rows
    from nowcast.postprocessing.places.table import in_words
    from nowcast.postprocessing.places.words import rain_sentence

    places = _places(args)
    _check(args, len(places))
    printed = args.json == "-"
    targets = [Path(args.json)] if args.json and not printed else []
    for target in [*targets, *([args.out] if args.out else [])]:
        check_place(target)
    found = _found(args, places)
    print(to_json(found) if printed else in_words(found))
    for target in targets:
        replace_bytes(target, to_json(found).encode())
    all_rows = rows(found)
    if args.out:
        from nowcast.report.meteogram import draw_meteogram

        draw_meteogram(args.out, found, [rain_sentence(row) for row in all_rows], _zone(args.time_zone))
        print(f"meteogram: {args.out}", file=sys.stderr if printed else sys.stdout)
    if any(row.answered for row in all_rows):
        return 0
    print(
        "nowcast at: nothing is known of any of these places; see 'nowcast info' for what the grid covers",
        file=sys.stderr,
    )
    return 2


def _places(args: argparse.Namespace) -> list[Location]:
    from nowcast.core.errors import SettingsError, complain
    from nowcast.postprocessing.places.coordinates import parse_pairs, place_name
    from nowcast.postprocessing.places.files import check_names, read_areas, read_places
    from nowcast.postprocessing.places.locations import Location, check_distance

    within = check_distance(args.within)
    points = [Location(place_name(*pair), *pair, within_km=within) for pair in parse_pairs(args.coordinates)]
    points += read_places(args.places, within) if args.places else []
    points += read_areas(args.areas) if args.areas else []
    if not points:
        raise SettingsError(
            complain("places", "none", "LAT LON, --places or --areas", "for example 45.46 9.19")
        )
    check_names([place.name for place in points], "places")
    return points


def _check(args: argparse.Namespace, count: int) -> None:
    """Refuse what could not be done, before the work."""
    from nowcast.core.errors import SettingsError, complain
    from nowcast.core.rain import z_r

    if args.archive and not args.model:
        raise SettingsError(complain("--model", "none", "a model with --archive", "see 'nowcast models'"))
    for flag, value in (
        ("--model", args.model),
        ("--members", args.members),
        ("--calibration", args.calibration),
    ):
        if args.forecast and value is not None:
            raise SettingsError(
                complain(
                    flag, f"'{value}' with --forecast", "what the file holds", "leave it out, or give --archive"
                )
            )
    if args.z_r is not None:
        z_r(args.z_r)
    if args.out and args.out.suffix.lower() != ".png":
        raise SettingsError(complain("--out", str(args.out), "a file name ending in .png", "change it"))
    if args.out and count > 12:
        raise SettingsError(
            complain("--out", f"{count} places", "up to 12 in one meteogram", "ask for fewer, or leave it out")
        )
    _zone(args.time_zone)


def _zone(name: str | None) -> tzinfo | None:
    import zoneinfo

    from nowcast.core.errors import SettingsError, complain, shown

    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise SettingsError(
            complain("--time-zone", shown(name), "a name such as Europe/Rome", "or leave it out")
        ) from error


def _found(args: argparse.Namespace, places: list[Location]) -> xr.Dataset:
    from nowcast.workflows.at import at_places

    if args.forecast:
        return at_places(args.forecast, places, z_r_name=args.z_r, rain_dbz=args.rain, progress=True)
    from nowcast.core.settings import override
    from nowcast.workflows.forecast import forecast
    from nowcast.workflows.open_archive import open_archive
    from nowcast.workflows.past import newest_frames

    archive = open_archive(args.archive)
    settings = override({}, args.assignments)
    coming = forecast(
        archive,
        args.model,
        args.at,
        args.leads,
        settings=settings,
        device=device_of(args),
        calibration=args.calibration,
        members=args.members,
        seed=args.seed,
        progress=True,
    )
    observed = newest_frames(archive, coming["valid_time"].values[0] - coming["lead_time"].values[0])
    return at_places(coming, places, z_r_name=args.z_r, rain_dbz=args.rain, observed=observed, progress=True)
