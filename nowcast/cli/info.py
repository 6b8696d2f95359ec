"""``nowcast info``: say what an archive holds: grid, times, gaps, what is observed and wet, provenance."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nowcast.cli.help_page import HelpPage
from nowcast.cli.workers import add_worker_arguments, engine_of
from nowcast.core.errors import printable

if TYPE_CHECKING:
    from nowcast.archive.reader import Archive

_MOST_GAPS = 20

HELP = HelpPage(
    """Says what an archive holds without reading a frame: grid, times and gaps, the share observed and
wet, the Z-R relation, source and licence. With --quality it looks at frames and counts what is hardly
rain.""",
    examples=(
        ("nowcast info italy.zarr", "what there is"),
        ("nowcast info italy.zarr --json", "the same for programs"),
        (
            "nowcast info italy.zarr --quality 500",
            "speckle, spikes, rays and stuck frames in 500 of its frames",
        ),
    ),
    see=("nowcast archive", "docs/explanation/missing-and-quality.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("archive", type=Path, help="a folder made by 'nowcast ingest'")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument(
        "--quality",
        type=int,
        nargs="?",
        const=200,
        metavar="FRAMES",
        help="count speckle, spikes, rays, stuck and jumping frames; looks at FRAMES of them, 200 unless "
        "named, 0 for all",
    )
    add_worker_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print what the archive holds."""
    from nowcast.archive.reader import Archive

    archive = Archive.open(args.archive)
    found = describe(archive)
    if args.quality is not None:
        from nowcast.workflows.quality import quality

        with engine_of(args) as engine:
            found["quality"] = quality(archive, args.quality, progress=True, engine=engine).as_plain()
    print(json.dumps(found, indent=2) if args.json else as_text(found))
    return 0


def describe(archive: Archive) -> dict[str, Any]:
    """Return everything that ``info`` says, as plain values; no frame is read for it."""
    import numpy as np

    from nowcast.core.times import minutes, to_text, unbroken_runs

    times, step = archive.times, archive.step
    runs = unbroken_runs(times, step)
    gaps = [
        {
            "after": to_text(times[end - 1]),
            "before": to_text(times[end]),
            "missing_frames": int((times[end] - times[end - 1]) / step) - 1,
        }
        for _, end in runs[:-1]
    ]
    height, width = archive.grid.shape
    west, east, south, north = archive.grid.extent
    km = archive.grid.cell_km
    sources = archive.sources

    def mean(name: str) -> float | None:
        values = archive.over_time(name)
        return round(float(np.nanmean(values)), 6) if np.isfinite(values).any() else None

    highest = archive.over_time("max_dbz")
    highest = highest[np.isfinite(highest)]
    return {
        "archive": str(archive.path),
        "rows": height,
        "columns": width,
        "crs": _crs_name(archive),
        "geographic": archive.grid.geographic,
        "unit": "deg" if archive.grid.crs.is_geographic else "m",
        "extent_west_east_south_north": [round(float(v), 6) for v in (west, east, south, north)],
        "cell_km": [round(v, 4) for v in km],
        "step_minutes": minutes(step),
        "frames": len(times),
        "first": to_text(times[0]) if len(times) else None,
        "last": to_text(times[-1]) if len(times) else None,
        "missing_frames": sum(g["missing_frames"] for g in gaps),
        "runs": len(runs),
        "longest_run": max((b - a for a, b in runs), default=0),
        "gaps": _longest(gaps),
        "gaps_not_listed": max(0, len(gaps) - _MOST_GAPS),
        "observed_share": mean("observed_share"),
        "wet_share_of_observed": mean("wet_share"),
        "max_dbz": round(float(highest.max()), 2) if len(highest) else None,
        "files": len(sources),
        "readers": sorted({s.reader for s in sources}),
        "quantities": sorted({s.quantity for s in sources if s.quantity}),
        "measured": str(archive.attrs.get("measured_quantity", "")),
        "z_r_relations": sorted(
            {s.z_r_relation for s in sources if s.z_r_relation}
            | {str(archive.attrs.get("z_r_relation", ""))} - {""}
        ),
        "replaced_frames": [line for s in sources for line in s.replaced][-_MOST_GAPS:],
        "files_with_problems": [s.name for s in sources if s.problems or not s.complete][:_MOST_GAPS],
        "regridding": archive.attrs.get("regridding", {}),
        "history": str(archive.attrs.get("history", "")),
        "gridding": str(archive.attrs.get("gridding", "")),
        "source": str(archive.attrs.get("source", "unknown")),
        "licence": str(archive.attrs.get("licence", "unknown")),
        "made_by": archive.attrs.get("provenance", {}),
        "fingerprint": archive.fingerprint,
    }


def _regridding(found: Any) -> list[str]:
    if not isinstance(found, dict) or not found:
        return []
    sources = "; ".join(map(str, named if isinstance(named := found.get("sources"), list) else []))
    said = f"{found.get('resample')} onto {found.get('grid')} from {sources}"
    return [f"regridded {printable(said)}"]


def _longest(gaps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the longest gaps in the order of time: short ones are many and matter less."""
    chosen = sorted(gaps, key=lambda gap: -int(gap["missing_frames"]))[:_MOST_GAPS]
    return sorted(chosen, key=lambda gap: str(gap["after"]))


def _crs_name(archive: Archive) -> str:
    crs = archive.grid.crs
    if crs.name not in ("undefined", "unknown"):
        return str(crs.name)
    operation = crs.coordinate_operation
    kind = "latitude and longitude" if operation is None else operation.method_name
    ellipsoid = crs.ellipsoid
    return kind if ellipsoid is None else f"{kind}, a = {ellipsoid.semi_major_metre:.0f} m"


def as_text(found: dict[str, Any]) -> str:
    """Return the description for people."""
    unit = found["unit"]
    west, east, south, north = found["extent_west_east_south_north"]
    lines = [
        f"archive   {printable(found['archive'])}",
        f"grid      {found['rows']} x {found['columns']} cells of {found['cell_km'][0]:g} x "
        f"{found['cell_km'][1]:g} km, {found['crs']}",
        f"extent    {west:g} to {east:g} {unit} east, {south:g} to {north:g} {unit} north",
        f"frames    {found['frames']} every {found['step_minutes']:g} minutes, {found['first']} to "
        f"{found['last']}",
        f"runs      {found['runs']} without a gap, the longest of {found['longest_run']} frames; "
        f"{found['missing_frames']} frames are missing",
        f"observed  {_percent(found['observed_share'])} of all cells",
        f"wet       {_percent(found['wet_share_of_observed'])} of the observed cells, highest "
        f"{found['max_dbz']} dBZ",
        f"files     {found['files']} by {', '.join(found['readers']) or 'no reader'}: "
        f"{', '.join(found['quantities'])}",
        *([f"measured  {printable(found['measured'])}"] if found["measured"] else []),
        *(f"Z-R       {printable(relation)}" for relation in found["z_r_relations"]),
        f"source    {printable(found['source'])}",
        f"licence   {printable(found['licence'])}",
        "made by   " + ", ".join(f"{k} {v}" for k, v in found["made_by"].items()),
        *([f"gridding  {printable(found['gridding'])}"] if found["gridding"] else []),
        *_regridding(found["regridding"]),
        *(f"history   {printable(line)}" for line in found["history"].splitlines()),
        *(f"replaced  {printable(line)}" for line in found["replaced_frames"]),
        *(f"problems  {printable(name)}" for name in found["files_with_problems"]),
        *(
            f"gap       after {g['after']} until {g['before']}: {g['missing_frames']} missing"
            for g in found["gaps"]
        ),
    ]
    if found["gaps_not_listed"]:
        lines.append(f"          and {found['gaps_not_listed']} more gaps, none of them longer")
    if "quality" in found:
        from nowcast.workflows.quality import quality_lines

        lines += quality_lines(found["quality"])
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.2%}"
