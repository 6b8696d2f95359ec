"""`nowcast serve`: forecasts over HTTP, as a page, tiles, WMS, EDR queries and files."""

from __future__ import annotations

import argparse
from pathlib import Path

from nowcast.cli.help_page import HelpPage

HELP = HelpPage(
    """Offers the output folder of a service, a folder of forecast files or one forecast file over HTTP, to read
only: the page and the products as files, values at points, in areas and in boxes (OGC API EDR), tiles (XYZ) and
a Web Map Service (1.3.0 and 1.1.1) for map programs, /health and /metrics. The newest nowcast is picked up when
it changes, never half a file. Needs the extra 'serve': pip install 'nowcast[serve]'.

By default only this machine can reach it. From another terminal, for example:
  curl 'http://127.0.0.1:8080/collections/nowcast/position?coords=POINT(9.19%2045.46)&f=CSV'
  curl -o tile.png 'http://127.0.0.1:8080/tiles/reflectivity/7/67/45.png'
In QGIS add a WMS layer with the address http://127.0.0.1:8080/wms.""",
    examples=(
        ("nowcast serve service/out", "the output folder of a service, at http://127.0.0.1:8080/"),
        ("nowcast serve nowcast.nc --port 8090", "one forecast file"),
        ("nowcast serve service/out --host 0.0.0.0", "for other machines as well"),
        (
            "nowcast serve service/out --stale-minutes 30",
            "/health answers 503 when the newest nowcast is older",
        ),
    ),
    again="it ends; nothing was written, start it again.",
    see=("nowcast watch", "nowcast show", "docs/howto/serve.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "place",
        type=Path,
        metavar="FOLDER_OR_FILE",
        help="output folder of a service, folder of forecast files, or one forecast file",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default 127.0.0.1); 0.0.0.0 opens it to others",
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="port to listen at (default 8080); 0 takes a free one"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=50.0,
        metavar="N",
        help="requests a second that one address may make in the long run (default 50); 0 is any number",
    )
    parser.add_argument(
        "--burst", type=int, default=400, metavar="N", help="requests that it may make at once (default 400)"
    )
    parser.add_argument(
        "--stale-minutes",
        type=float,
        metavar="M",
        help="age of the newest nowcast from which on /health answers 503; by default any age is well",
    )
    parser.add_argument(
        "--z-r", metavar="NAME", help="Z-R relation of the layer rain_rate where the forecast names none"
    )
    parser.add_argument(
        "--allow-origin", metavar="ORIGIN", help="web site whose pages may read the answers; * is any"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name under which it may be asked, beside those of this machine; any where others can reach it",
    )
    parser.add_argument(
        "--behind-proxy",
        action="store_true",
        help="a proxy on this machine stands before it: addresses of those who ask come from its headers",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from nowcast.serve.run import serve
    from nowcast.serve.settings import ServeSettings

    settings = ServeSettings(
        place=args.place,
        host=args.host,
        port=args.port,
        rate=args.rate,
        burst=args.burst,
        stale_minutes=args.stale_minutes,
        allow_origin=args.allow_origin or "",
        allow_hosts=tuple(args.allow_host),
        behind_proxy=args.behind_proxy,
        z_r_name=args.z_r,
    )
    return serve(settings)
