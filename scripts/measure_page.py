"""Measure the page of a forecast: its size, what making it takes, and how it opens and pans in Chromium.

    python scripts/measure_page.py                 # made-up rain on 479 x 617, ten lead times
    python scripts/measure_page.py --forecast nowcast.nc --archive italy.zarr

It needs playwright and a browser (``--browser``). Opening is counted from the start of the navigation until the
map shows its first frame and the page answers; panning drags the map to and fro and counts the frames drawn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import xarray as xr
from scipy.ndimage import gaussian_filter

from nowcast.core.field import make_field
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import label_forecast
from nowcast.report.viewer.page import render_forecast_page
from nowcast.workflows.open_archive import open_archive
from nowcast.workflows.show import shown_forecast

THRESHOLDS_DBZ = (10.0, 20.0, 30.0, 35.0, 40.0, 45.0)
START = np.datetime64("2025-06-01T12:00", "ns")
STEP = np.timedelta64(10, "m")
WAIT_MS = 60_000
COUNT = """() => {
    window.drawn = [];
    const count = now => { window.drawn.push(now); requestAnimationFrame(count); };
    requestAnimationFrame(count);
}"""


def made_up(rows: int = 479, columns: int = 617, lead_times: int = 10) -> tuple[xr.Dataset, xr.DataArray]:
    """A forecast with six probabilities and six observed frames: smooth rain on about a fifth of the cells."""
    rng = np.random.default_rng(0)
    grid = Grid(
        pyproj.CRS.from_epsg(4326).to_wkt(), 47.1 - 0.0091 * np.arange(rows), 5.93 + 0.0133 * np.arange(columns)
    )

    def frame(blur: float) -> npt.NDArray[np.float32]:
        rough = gaussian_filter(rng.standard_normal((rows, columns)), 4) * 14
        dbz = gaussian_filter(rng.standard_normal((rows, columns)), blur) * blur * 45 - 12 + rough * 4
        return np.where(dbz < 5, NO_ECHO_DBZ, np.round(dbz, 2)).astype(np.float32).clip(None, 65)

    frames = np.stack([frame(16 + i) for i in range(lead_times)])
    chances = np.stack(
        [[gaussian_filter((f >= t).astype(np.float32), 6) for f in frames] for t in THRESHOLDS_DBZ]
    ).clip(0, 1)
    forecast = label_forecast(frames, START, STEP * np.arange(1, lead_times + 1), grid, chances, THRESHOLDS_DBZ)
    past = np.stack([frame(16) for _ in range(6)])
    return forecast.assign_attrs(model="made up"), make_field(past, START + STEP * np.arange(-5, 1), grid)


@contextmanager
def browser(executable: str) -> Iterator[Any]:
    """A browser without a graphics card."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        found = running.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield found
        found.close()


def opened(chromium: Any, address: str) -> tuple[Any, float]:
    """A page, and the seconds until it was ready."""
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    page.goto(address)
    page.wait_for_selector("body[data-ready=yes]", timeout=WAIT_MS)
    return page, page.evaluate("performance.getEntriesByName('ready')[0].startTime") / 1000


def panned(page: Any, seconds: float) -> float:
    """Frames a second while the map is dragged."""
    for _ in range(3):
        page.locator(".leaflet-control-zoom-in").click()
    page.wait_for_timeout(800)
    box = page.locator("#map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(COUNT)
    began, turn = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        turn += 1
        page.mouse.move(x + 160 * np.sin(turn / 25), y + 110 * np.cos(turn / 25))
    times = page.evaluate("window.drawn")
    page.mouse.up()
    return float((len(times) - 1) / (times[-1] - times[0]) * 1000)


def main() -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--forecast", type=Path, help="a forecast file; made-up rain by default")
    parser.add_argument("--archive", type=Path, help="where its observed frames are")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of panning in each round")
    parser.add_argument("--browser", default="/usr/bin/chromium")
    args = parser.parse_args()
    began, cpu = time.perf_counter(), time.process_time()
    if args.forecast:
        archive = open_archive(args.archive) if args.archive else None
        shown = shown_forecast(args.forecast, archive=archive)
    else:
        from dataclasses import replace

        forecast, observed = made_up()
        began, cpu = time.perf_counter(), time.process_time()
        shown = replace(shown_forecast(forecast), observed=observed)
    text = render_forecast_page(shown)
    print(f"made in {time.perf_counter() - began:.1f} s ({time.process_time() - cpu:.1f} s of CPU)")
    with tempfile.TemporaryDirectory() as folder, browser(args.browser) as chromium:
        path = Path(folder) / "page.html"
        path.write_text(text, encoding="utf-8")
        print(f"size {path.stat().st_size / 1e6:.2f} MB")
        ready, rates = [], []
        for _ in range(args.rounds):
            page, seconds = opened(chromium, path.as_uri())
            ready.append(seconds)
            rates.append(panned(page, args.seconds))
            page.close()
    print(f"open {median(ready):.2f} s ({min(ready):.2f} to {max(ready):.2f})")
    print(f"pan {median(rates):.0f} frames/s ({min(rates):.0f} to {max(rates):.0f})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
