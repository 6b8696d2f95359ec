"""Make the coastlines and borders that come with the package from the npm package world-atlas 2.0.2.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python scripts/make_coastlines.py package/countries-10m.json

world-atlas is Natural Earth 1:10m (public domain) as TopoJSON: every stretch of coast or border is one
arc. An arc that two countries share is a border, one that a single country has is coast. Lines are thinned
to 0.006 degrees (Douglas-Peucker), which is below a pixel of a 1 km radar, and stored as differences
of 16-bit steps.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from shapely.geometry import LineString

TARGET = Path(__file__).resolve().parents[1] / "nowcast" / "report" / "coastlines.npz"
STEP_DEGREES = 0.002
TOLERANCE_DEGREES = 0.006
SMALLEST_DEGREES = 0.012


def flat(arcs: Any) -> Iterator[int]:
    """Every arc number in a nested list; a negative one is an arc walked backwards."""
    for arc in arcs:
        if isinstance(arc, list):
            yield from flat(arc)
        else:
            yield arc if arc >= 0 else ~arc


def lines(topology: dict[str, Any], countries: bool) -> Iterator[npt.NDArray[np.float64]]:
    """The lines (N, 2) in degrees of borders, or else of coasts."""
    users: Counter[int] = Counter()
    for country in topology["objects"]["countries"]["geometries"]:
        users.update(set(flat(country["arcs"])))
    scale = np.array(topology["transform"]["scale"])
    origin = np.array(topology["transform"]["translate"])
    for number, arc in enumerate(topology["arcs"]):
        if (users[number] > 1) == countries:
            yield np.cumsum(np.array(arc), axis=0) * scale + origin


def pack(found: Iterator[npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[Any]]:
    """Thin lines and store them as starts (int32), differences (int16) and lengths, in STEP_DEGREES."""
    starts, steps, lengths = [], [], []
    for line in found:
        thin = np.array(LineString(line).simplify(TOLERANCE_DEGREES, preserve_topology=False).coords)
        whole = np.round(thin / STEP_DEGREES).astype(np.int32)
        whole = whole[np.r_[True, np.any(np.diff(whole, axis=0) != 0, axis=1)]]
        if len(whole) < 2 or np.ptp(thin, axis=0).max() < SMALLEST_DEGREES:
            continue
        difference = np.diff(whole, axis=0)
        for piece in np.split(np.arange(len(whole)), long_steps(difference)):
            if len(piece) > 1:
                starts.append(whole[piece[0]])
                steps.append(np.diff(whole[piece], axis=0))
                lengths.append(len(piece))
    return {
        "starts": np.array(starts, np.int32),
        "lengths": np.array(lengths, np.int32),
        "steps": np.concatenate(steps).astype(np.int16),
    }


def long_steps(difference: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """Where to cut a line: steps that do not fit 16 bits (the straight edges along 180 degrees)."""
    return np.flatnonzero(np.abs(difference).max(axis=1) > np.iinfo(np.int16).max) + 1


def main() -> None:
    """Read TopoJSON, write the npz."""
    parser = argparse.ArgumentParser(description="Make nowcast/report/coastlines.npz.")
    parser.add_argument("topojson", type=Path, help="package/countries-10m.json of world-atlas 2.0.2")
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    topology = json.loads(args.topojson.read_text(encoding="utf-8"))
    arrays = {
        f"{name}_{key}": values
        for name, countries in (("coast", False), ("border", True))
        for key, values in pack(lines(topology, countries)).items()
    }
    np.savez_compressed(args.out, step_degrees=np.array(STEP_DEGREES), **arrays)  # type: ignore[arg-type]
    print(
        f"{args.out}: {args.out.stat().st_size / 1000:.0f} kB, {len(arrays['coast_lengths'])} coasts, "
        f"{len(arrays['border_lengths'])} borders"
    )


if __name__ == "__main__":
    main()
