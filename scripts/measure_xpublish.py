"""What xpublish with its EDR and tiles plug-ins costs, and what it answers of forecast files.

    python -m venv try && try/bin/pip install nowcast xpublish xpublish-edr xpublish-tiles uvicorn httpx
    try/bin/python scripts/measure_xpublish.py FORECAST.nc ...

For each file: one request of each kind, its status, its size and the median of five. Installed size and CPU
time of the import are those of what comes beside the package's own dependencies.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import resource
import subprocess
import sys
import time
import tomllib
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import xarray as xr
from packaging.requirements import Requirement

from nowcast.products.cf_netcdf import read_grid
from nowcast.serve.tiles import bounds

ROOTS = ("xpublish", "xpublish-edr", "xpublish-tiles", "uvicorn")
OURS = ("starlette", "uvicorn")


def packages(roots: tuple[str, ...], known: set[str]) -> set[str]:
    """Names of packages that some need, and all that these need, without those that are known."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name in found or name in known:
            continue
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        for line in needs:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement.name)
    return found


def megabytes(names: set[str]) -> float:
    """Size of what they installed."""
    files = [Path(str(f.locate())) for name in names for f in importlib.metadata.files(name) or ()]
    return sum(file.stat().st_size for file in files if file.is_file()) / 2**20


def import_seconds(code: str) -> float:
    """CPU time of a process that imports something, best of three."""
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def ask(client: Any, name: str, url: str) -> None:
    """Print how one request went."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        answer = client.get(url)
        seconds.append(time.perf_counter() - start)
        if answer.status_code != 200:
            break
    first, middle = 1e3 * seconds[0], 1e3 * median(seconds)
    size = f"{answer.status_code} {len(answer.content):8} bytes"
    print(f"  {name:28} {size}  first {first:7.0f}  median {middle:7.1f} ms")


def main() -> None:
    """Print sizes, times and answers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("forecasts", type=Path, nargs="+")
    args = parser.parse_args()
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    base = packages(tuple(Requirement(line).name for line in project["project"]["dependencies"]), set())
    for label, roots in (("xpublish", ROOTS), ("nowcast serve", OURS)):
        found = packages(roots, base)
        print(f"{label}: {len(found)} packages, {megabytes(found):.0f} MB")
    for modules in ("xpublish, xpublish_edr, xpublish_tiles.pipeline", "starlette.applications, uvicorn"):
        print(f"import {modules}: {import_seconds(f'import {modules}'):.2f} s")
    warnings.simplefilter("ignore")
    xpublish, edr, test = map(importlib.import_module, ("xpublish", "xpublish_edr", "starlette.testclient"))
    tiles, wms = (importlib.import_module(f"xpublish_tiles.xpublish.{name}") for name in ("tiles", "wms"))
    for path in args.forecasts:
        forecast = xr.open_dataset(path, engine="netcdf4").load()
        plugins = {"edr": edr.CfEdrPlugin(), "tiles": tiles.TilesPlugin(), "wms": wms.WMSPlugin()}
        west, south, east, north = bounds(read_grid(path))
        lon, lat = (west + east) / 2, (south + north) / 2
        x = int((lon + 180) / 360 * 2**7)
        y = int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**7)
        when = str(forecast["time"].values[0])[:19]
        print(f"{path.name}: {forecast['crs'].attrs.get('grid_mapping_name', 'no name')}")
        with test.TestClient(
            xpublish.Rest({"f": forecast}, plugins=plugins).app, raise_server_exceptions=False
        ) as client:
            here = "/datasets/f"
            ask(client, "EDR position, all", f"{here}/edr/position?coords=POINT({lon} {lat})&crs=EPSG:4326")
            one = "crs=EPSG:4326&parameter-name=reflectivity"
            ask(client, "EDR position, reflectivity", f"{here}/edr/position?coords=POINT({lon} {lat})&{one}")
            ring = f"POLYGON(({lon} {lat},{lon + 1} {lat},{lon + 1} {lat + 1},{lon} {lat}))"
            ask(client, "EDR area, reflectivity", f"{here}/edr/area?coords={ring}&{one}")
            look = "style=raster/viridis&colorscalerange=0,60&width=256&height=256"
            tile = (
                f"{here}/tiles/WebMercatorQuad/7/{y}/{x}?variables=reflectivity&{look}&f=image/png&time={when}"
            )
            ask(client, "tile", tile)
            wms_map = (
                f"{here}/wms/?service=WMS&version=1.3.0&layers=reflectivity&styles=raster/viridis&crs=EPSG:4326"
            )
            wms_map += f"&bbox={lat - 1},{lon - 1},{lat + 1},{lon + 1}&width=256&height=256"
            wms_map += f"&colorscalerange=0,60&time={when}"
            ask(client, "WMS map", f"{wms_map}&request=GetMap&format=image/png")
            info = (
                "&request=GetFeatureInfo&query_layers=reflectivity&x=9&y=9&i=9&j=9&info_format=application/json"
            )
            ask(client, "WMS value", wms_map + info)


if __name__ == "__main__":
    main()
