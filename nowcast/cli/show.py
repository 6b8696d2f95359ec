"""`nowcast show`: a forecast file as a page to look at, one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path

from nowcast.cli.help_page import HelpPage

HELP = HelpPage(
    """Makes a page to look at from a forecast file: a map with zoom and pan, a slider over observed and
forecast frames, probabilities, sums and members where the file has them, the value under the pointer and a
meteogram of any place. One file, which needs no network. 'nowcast forecast' leaves such a page by itself.""",
    examples=(
        ("nowcast show nowcast.nc", "beside the file, as nowcast.html"),
        (
            "nowcast show nowcast.nc --archive italy.zarr --out page.html --open",
            "with the observed frames before and since, in the browser",
        ),
        ("nowcast show rain.nc --z-r marshall_palmer --title Storms", "mm/h by a Z-R relation"),
    ),
    see=("nowcast forecast", "nowcast at", "docs/howto/look-at-a-forecast.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("forecast", type=Path, metavar="FILE", help="a file that 'nowcast forecast' wrote")
    parser.add_argument(
        "--out", type=Path, metavar="HTML", help="the page to write; by default beside the file, as FILE.html"
    )
    parser.add_argument(
        "--archive",
        type=Path,
        help="archive that the forecast started from: observed frames before it, and since, are shown, too",
    )
    parser.add_argument(
        "--z-r",
        metavar="NAME",
        help="Z-R relation of mm/h where the forecast names none, such as marshall_palmer",
    )
    parser.add_argument("--title", metavar="TEXT", help="title of the page")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run(args: argparse.Namespace) -> int:
    """Write the page, and open it where that is asked for."""
    from nowcast.core.files import check_place
    from nowcast.workflows.open_archive import open_archive
    from nowcast.workflows.show import page_beside, show

    out = args.out or page_beside(args.forecast)
    check_place(out)
    archive = None if args.archive is None else open_archive(args.archive)
    show(args.forecast, out, archive=archive, z_r=args.z_r, title=args.title)
    print(f"page: {out}")
    if args.open:
        import webbrowser

        webbrowser.open(out.absolute().as_uri())
    return 0
