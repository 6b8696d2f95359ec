"""`nowcast serve`: forecasts over HTTP, as a page, tiles, WMS, EDR queries and files."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """\
examples:
  nowcast serve service/out                      the output folder of a service, at http://127.0.0.1:8080/
  nowcast serve nowcast.nc --port 8090           one forecast file
  nowcast serve service/out --host 0.0.0.0       for other machines as well
  nowcast serve service/out --stale-minutes 30   /health answers 503 when the newest nowcast is older

then, from another terminal:
  curl 'http://127.0.0.1:8080/collections/nowcast/position?coords=POINT(9.19%2045.46)&f=CSV'
  curl -o tile.png 'http://127.0.0.1:8080/tiles/reflectivity/7/67/45.png'

QGIS: Layer > Add WMS layer, address http://127.0.0.1:8080/wms
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument(
        "place",
        type=Path,
        metavar="FOLDER_OR_FILE",
        help="output folder of a service, folder of forecast files, or one forecast file",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1: this machine alone)"
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="port to listen at (default 8080; 0 takes a free one)"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=50.0,
        metavar="N",
        help="requests a second that one address may make in the long run (default 50; 0: any number)",
    )
    parser.add_argument(
        "--burst", type=int, default=400, metavar="N", help="requests that it may make at once (default 400)"
    )
    parser.add_argument(
        "--stale-minutes",
        type=float,
        metavar="M",
        help="age of the newest nowcast from which on /health answers 503 (default: any age is well)",
    )
    parser.add_argument(
        "--z-r", metavar="NAME", help="Z-R relation of the layer rain_rate where the forecast names none"
    )
    parser.add_argument(
        "--allow-origin",
        default="",
        metavar="ORIGIN",
        help="web site whose pages may read the answers; * is any",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name under which it may be asked (default: of this machine, or any where --host is not loopback)",
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
        allow_origin=args.allow_origin,
        allow_hosts=tuple(args.allow_host),
        behind_proxy=args.behind_proxy,
        z_r_name=args.z_r,
    )
    return serve(settings)
