"""`nowcast forecast`: an archive and a model in, one CF netCDF file with the coming frames out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

_RAIN_DBZ = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_model_arguments(parser)
    parser.add_argument("--leads", type=int, default=10, help="number of frames to forecast (default 10)")
    parser.add_argument("--members", type=int, metavar="N",
                        help="draw N equally likely fields from the probabilities, for example 24")
    parser.add_argument("--seed", type=int, metavar="S", default=0, help="seed of the members (default 0)")
    parser.add_argument("--out", type=Path, required=True, help="netCDF file to write")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare an archive, a model and a time."""
    parser.add_argument("--archive", type=Path, required=True, help="archive made by 'nowcast ingest'")
    parser.add_argument(
        "--model", required=True, metavar="CKPT_OR_NAME",
        help="a name (see 'nowcast models') or a checkpoint of 'nowcast train'",
    )
    parser.add_argument(
        "--at", default="latest", metavar="TIME",
        help="forecast reference time, UTC, such as 2025-03-22T12:00; the default is the newest frame",
    )
    parser.add_argument(
        "--set", dest="assignments", metavar="KEY=VALUE", nargs="+", action="extend", default=[],
        help="settings of the model, for example method=tvl1 or memory_gb=2",
    )


def run(args: argparse.Namespace) -> int:
    """Forecast, write the file, and report in a few lines what is in it."""
    from nowcast.core.settings import override
    from nowcast.postprocessing.members import Members
    from nowcast.products.cf_netcdf import write_forecast
    from nowcast.workflows.forecast import forecast

    settings = override({}, args.assignments)
    post = [] if args.members is None else [Members(args.members, args.seed)]
    coming = forecast(args.archive, args.model, args.at, args.leads, settings=settings, post=post)
    write_forecast(args.out, coming)
    print(summary(args.out, coming))
    return 0


def summary(path: Path, coming: xr.Dataset) -> str:
    """Report what was written: model, times, strongest echo, probabilities."""
    import numpy as np

    from nowcast.core.scaling import NO_ECHO_DBZ
    from nowcast.core.times import minutes, to_text

    valid, leads = coming["valid_time"].values, coming["lead_time"].values
    values = coming["reflectivity"].values
    known = np.isfinite(values)
    highest = float(values[known].max()) if known.any() else NO_ECHO_DBZ
    rain = float((values[known] >= _RAIN_DBZ).mean()) if known.any() else 0.0
    strongest = f"{highest:.1f} dBZ" if highest > NO_ECHO_DBZ else "no echo"
    lines = [
        f"{path}: {len(valid)} frames of {values.shape[1]} x {values.shape[2]} by {coming.attrs['model']}",
        f"  from {to_text(valid[0] - leads[0])}, valid {to_text(valid[0])} to "
        f"{to_text(valid[-1])} (lead {minutes(leads[0]):g} to {minutes(leads[-1]):g} min)",
        f"  {_RAIN_DBZ:g} dBZ or more on {rain:.1%}, strongest {strongest}, unknown {1 - known.mean():.1%}",
    ]
    if "motion" in coming.attrs:
        lines.append(f"  motion: {coming.attrs['motion']}")
    if "exceedance_probability" in coming:
        events = ", ".join(f"{t:g}" for t in coming["threshold"].values)
        lines.append(f"  with the probability of reaching {events} dBZ")
    if "reflectivity_members" in coming:
        lines.append(f"  with {coming.attrs['members']}")
    return "\n".join(lines)
