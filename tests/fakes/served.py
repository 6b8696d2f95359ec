"""A served forecast of a few cells that are known by hand, and a client that asks the application directly."""

import asyncio
import io

import httpx
import numpy as np
from PIL import Image

from nowcast.products.cf_netcdf import write_forecast
from nowcast.serve.app import make_app
from nowcast.serve.settings import ServeSettings
from tests.fakes.fields import geographic_grid, projected_grid
from tests.fakes.place_forecast import CELL, middle_of, place_forecast

GRIDS = {"projected": projected_grid(6, 8), "geographic": geographic_grid(6, 8)}
LEADS = 7
PROBABILITY = np.linspace(0.1, 0.7, LEADS) * np.array([1.0, 0.5, 0.25])[:, None]
"""At `CELL` of the thresholds 10, 20, 30 dBZ; 0 elsewhere."""
RELATION = "marshall_palmer: Z = 200 R^1.6 (Marshall, Hitschfeld and Gunn 1955, Adv. Geophys. 2)"


def write_known(path, grid=None, **choice):
    """Write a forecast of `place_forecast`, with probabilities and a Z-R relation; return its path."""
    attrs = {"z_r_relation": RELATION, "licence": "CC BY 4.0"}
    made = place_forecast(
        grid=grid or GRIDS["projected"], probabilities={CELL: PROBABILITY}, attrs=attrs, **choice
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_forecast(path, made)
    return path


def write_service(folder, times=("20250322T230000Z", "20250322T233000Z")):
    """Write what a service publishes: nowcasts by their times, ``latest``, a page and its state."""
    for k, time in enumerate(times):
        write_known(folder / "issued" / time / "nowcast.nc", cells={CELL: [float(k + 1)] * LEADS})
        (folder / "issued" / time / "manifest.json").write_text('{"service": "test"}')
    (folder / "latest").symlink_to(f"issued/{times[-1]}")
    (folder / "index.html").write_text("<!doctype html><title>x</title><script>let a = 1;</script>")
    (folder / "status.json").write_text('{"healthy": false, "complaints": ["late"]}')
    (folder / "metrics.prom").write_text('nowcast_healthy{service="test"} 0\n')
    (folder / "ledger.sqlite").write_bytes(b"secret")
    return folder


class Client:
    """Asks an application as httpx does over a network, without one."""

    def __init__(self, place, address="127.0.0.1", **settings):
        settings = ServeSettings(place, **{"rate": 0.0, **settings})
        self.app = make_app(settings)
        self._transport = httpx.ASGITransport(self.app, client=(address, 1), raise_app_exceptions=True)

    def ask(self, path, method="GET", headers=None, **query):
        async def once():
            base = "http://127.0.0.1:8080"
            async with httpx.AsyncClient(transport=self._transport, base_url=base) as client:
                return await client.request(method, path, params=query or None, headers=headers)

        return asyncio.run(once())

    def raw(self, raw_path, query=b"", method="GET"):
        """Send a path exactly as it is written; return status and body."""
        from urllib.parse import unquote_to_bytes

        scope = {
            "type": "http",
            "method": method,
            "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
            "raw_path": raw_path.encode(),
            "query_string": query,
            "headers": [(b"host", b"127.0.0.1:8080")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8080),
            "scheme": "http",
            "http_version": "1.1",
            "root_path": "",
        }
        sent, asked = [], []

        async def receive():
            if asked:  # an answer in parts waits for the client to leave, which it does not
                await asyncio.Event().wait()
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])


def colours(png):
    """Red, green, blue and alpha of a PNG (H, W, 4)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def place_of(grid, cell=CELL):
    """Longitude and latitude of a cell's centre."""
    lat, lon = middle_of(grid, *cell)
    return lon, lat
