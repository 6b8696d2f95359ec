"""Polar files to scans, as the rest of an ingest plans and reads them; the grid of a new archive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj

from nowcast.archive.reader import Archive
from nowcast.core.errors import GridError, complain
from nowcast.core.grid import Grid
from nowcast.ingestion.listing import Problem
from nowcast.ingestion.polar.bundles import Bundle, bundles_of, radar
from nowcast.ingestion.polar.look import PolarFile
from nowcast.ingestion.polar.reader import PolarVolumes
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.polar.volume import Site
from nowcast.ingestion.readers.projections import crs_of_proj
from nowcast.ingestion.scan import Scan

GRIDDING = "gridding"
"""Attribute of archives that says how frames were made of volumes."""
TOGETHER = "files_of_one_time_together"
"""Attribute of archives whose frames may be of several files each."""
_MOST_SIDE = 5000
_WORDS = {"lowest_beam": "lowest beam", "cappi": "CAPPI", "maximum": "maximum of the column"}


@dataclass(frozen=True, eq=False)
class Target:
    """What an archive that is there already asks of its frames."""

    grid: Grid
    step: np.timedelta64
    phase: np.datetime64
    together: bool = False
    """Whether its frames are of several files each."""

    @classmethod
    def of(cls, path: Path) -> Target | None:
        """Read it off an archive, None where there is none.

        Raises:
            ArchiveError: the archive is damaged.
        """
        if not (path / "zarr.json").exists():
            return None
        archive = Archive.open(path)
        phase = np.datetime64(int(archive.attrs["first_time"]), "s").astype("datetime64[ns]")
        return cls(archive.grid, archive.step, phase, TOGETHER in archive.attrs)


def polar_scans(
    files: Sequence[PolarFile],
    settings: PolarSettings,
    step: np.timedelta64 | None,
    target: Target | None,
    known: frozenset[str] = frozenset(),
    grid: Grid | None = None,
) -> tuple[list[Scan], list[Problem], int]:
    """Return a scan for each frame.

    Args:
        files: as `nowcast.ingestion.polar.look.look_all` finds them.
        settings: how they are gridded.
        step: of the archive, where it is given.
        target: the archive, where it is there: its grid is the grid.
        known: digests of what the archive holds already.
        grid: of an archive that is new; that around the radars when None.

    Returns:
        Scans, problems, and how many files are in already.

    Raises:
        TimeError: see `bundles_of`.
    """
    if not files:
        return [], [], 0
    grid = target.grid if target is not None else grid or grid_around([f.site for f in files], settings)
    step, phase = (target.step, target.phase) if target is not None else (step, None)
    bundles, problems, together = bundles_of(
        files, settings, step, phase, target is not None and target.together
    )
    fresh = [b for b in bundles if b.sha256 not in known]
    told = sum(len(b.files) for b in bundles) - sum(len(b.files) for b in fresh)
    return [_scan(b, grid, settings, together) for b in fresh], problems, told


def grid_around(sites: Sequence[Site], settings: PolarSettings) -> Grid:
    """Return an azimuthal equidistant grid that holds the radius around each radar, centred on their middle.

    Cell edges lie at whole cells from the centre, which is rounded to a ten-thousandth of a degree.

    Raises:
        GridError: radars so far apart that the grid has too many cells.
    """
    places = sorted({(round(s.lat, 4), round(s.lon, 4)) for s in sites})
    lat, lon = (round(float(np.mean([p[i] for p in places])), 4) for i in (0, 1))
    crs = crs_of_proj(f"+proj=aeqd +lat_0={lat} +lon_0={lon} +ellps=WGS84 +units=m")
    to_metres = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
    x, y = to_metres.transform([p[1] for p in places], [p[0] for p in places])
    cell, radius = settings.cell_km * 1000.0, settings.radius_km * 1000.0
    west, east, south, north = (
        math.floor((min(x) - radius) / cell + 1e-6),
        math.ceil((max(x) + radius) / cell - 1e-6),
        math.floor((min(y) - radius) / cell + 1e-6),
        math.ceil((max(y) + radius) / cell - 1e-6),
    )
    if max(north - south, east - west) > _MOST_SIDE:
        names = ", ".join(sorted({s.name for s in sites}))[:200]
        raise GridError(
            complain(
                "polar volumes",
                f"a grid of {north - south} x {east - west} cells for {names}",
                f"radars of one region, at most {_MOST_SIDE} cells a side",
                "ingest them into archives of their own, or take larger cells",
            )
        )
    rows = np.arange(north, south, -1, dtype=np.float64) - 0.5
    columns = np.arange(west, east, dtype=np.float64) + 0.5
    return Grid(crs.to_wkt(), rows * cell, columns * cell)


def _scan(bundle: Bundle, grid: Grid, settings: PolarSettings, together: bool) -> Scan:
    files = bundle.files
    attrs = {
        "source": ", ".join(sorted({f.site.name for f in files}))[:200],
        "quantity": f"{files[0].quantity} {settings.method}"
        + (f" {settings.height_km:g} km" if settings.method == "cappi" else ""),
        GRIDDING: in_words(files, settings),
        **({TOGETHER: "1"} if together else {}),
    }
    parts = tuple(f.path for f in files)
    reading = PolarVolumes(grid, settings, parts, bundle.time, tuple(attrs.items()))
    return Scan(
        files[0].path,
        sum(f.size for f in files),
        max(f.mtime_ns for f in files),
        bundle.sha256,
        reading.name,
        np.array([bundle.time], "datetime64[ns]"),
        grid,
        attrs,
        reading,
    )


def in_words(files: Sequence[PolarFile], settings: PolarSettings) -> str:
    """Return how frames are made of polar files, for the attributes of an archive."""
    method = _WORDS[settings.method]
    if settings.method == "cappi":
        method += f" at {settings.height_km:g} km{' (pseudo)' if settings.pseudo else ''}"
    radars = {radar(f): f.site for f in files}
    where = "; ".join(f"{s.name} {s.lat:.4f} N {s.lon:.4f} E {s.altitude_m:g} m" for s in radars.values())
    together = f", {settings.composite} of {len(radars)} radars" if len(radars) > 1 else ""
    elevations = sorted({e for f in files for e in f.elevations})
    return (
        f"{method}{together}, {settings.interpolation} gate, within {settings.radius_km:g} km, elevations "
        f"{elevations[0]:g} to {elevations[-1]:g} degrees, beams over 4/3 Earth: {where}"[:1000]
    )
