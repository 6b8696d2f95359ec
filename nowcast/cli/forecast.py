"""`nowcast forecast`: an archive and a model in, one CF netCDF file with the coming frames out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import xarray as xr

    from nowcast.forecasters.base import Forecaster

_RAIN_DBZ = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--archive", type=Path, required=True, help="archive made by 'nowcast ingest'")
    parser.add_argument(
        "--model", required=True, metavar="CKPT_OR_NAME",
        help="checkpoint of 'nowcast train', or persistence, or extrapolation",
    )
    parser.add_argument(
        "--at", default="latest", metavar="TIME",
        help="moment of issue, UTC, such as 2025-03-22T12:00; the default is the newest frame",
    )
    parser.add_argument("--leads", type=int, default=10, help="number of frames to forecast (default 10)")
    parser.add_argument("--out", type=Path, required=True, help="netCDF file to write")
    parser.add_argument(
        "--motion-arrows", type=Path, metavar="PNG",
        help="also draw the motion as arrows: a MotionRNN's trending momentum beside the optical flow",
    )
    parser.add_argument(
        "--set", dest="assignments", metavar="KEY=VALUE", nargs="+", action="extend", default=[],
        help="settings of the model, for example method=tvl1 or memory_gb=2",
    )


def run(args: argparse.Namespace) -> int:
    """Forecast, write the file, and say in a few lines what is in it."""
    import numpy as np

    from nowcast.archive.reader import Archive
    from nowcast.archive.thinned import thinned
    from nowcast.core.errors import SettingsError, complain
    from nowcast.core.settings import override
    from nowcast.forecasters.catalog import build_forecaster
    from nowcast.forecasters.extrapolation import Extrapolation
    from nowcast.forecasters.issue import moment, past_times
    from nowcast.forecasters.levels import thresholds_of
    from nowcast.products.cf_netcdf import write_forecast

    if args.leads < 1:
        raise SettingsError(complain("--leads", args.leads, "1 or more frames", "for example 10"))
    archive = Archive.open(args.archive)
    forecaster = build_forecaster(args.model, override({}, args.assignments))
    issued = moment(archive, args.at)
    frames = thinned(archive, forecaster.needs.step, issued)
    count = forecaster.needs.past
    if args.motion_arrows is not None:
        count = max(count, Extrapolation().needs.past)
    observed = frames.frames(past_times(frames, issued, count)).compute(scheduler="synchronous")
    leads = frames.step * np.arange(1, args.leads + 1)
    forecast = forecaster.forecast(observed, leads)
    thresholds = thresholds_of(forecaster)
    probabilities = forecaster.probabilities(observed, leads) if thresholds else None  # type: ignore[attr-defined]
    described = {
        **forecaster.describe(),
        "archive": str(archive.path.name),
        "archive_fingerprint": archive.fingerprint,
        "observed_from": str(archive.attrs.get("source", "unknown")),
        "licence": str(archive.attrs.get("licence", "unknown")),
    }
    motions = None if args.motion_arrows is None else _motions(forecaster, observed)
    write_forecast(args.out, forecast, described, probabilities)
    print(summary(args.out, forecaster.name, forecast))
    if thresholds:
        print(f"  with the probability of reaching {', '.join(f'{t:g}' for t in thresholds)} dBZ")
    if motions is not None:
        from nowcast.report.motion import draw_motion

        draw_motion(args.motion_arrows, observed[-1], motions)
        print(f"motion: {args.motion_arrows}")
    return 0


def _motions(forecaster: Forecaster, observed: xr.DataArray) -> dict[str, npt.NDArray[np.float32]]:
    """Give the motions to draw by their titles: what a network moves by, and the optical flow."""
    from nowcast.forecasters.calibrated import raw_of
    from nowcast.forecasters.extrapolation import Extrapolation
    from nowcast.forecasters.neural import Neural

    motions = {}
    network = raw_of(forecaster)
    if isinstance(network, Neural):
        motions[network.motion_name] = network.velocity(observed)
    motions["optical flow"] = Extrapolation().velocity(observed)
    return motions


def summary(path: Path, name: str, forecast: xr.DataArray) -> str:
    """Say what was written: model, times, strongest echo."""
    import numpy as np

    from nowcast.core.scaling import NO_ECHO_DBZ
    from nowcast.core.times import minutes, to_text

    valid = forecast["valid_time"].values
    issued = valid[0] - forecast["lead_time"].values[0]
    values = forecast.values
    seen = np.isfinite(values)
    highest = float(values[seen].max()) if seen.any() else NO_ECHO_DBZ
    rain = float((values[seen] >= _RAIN_DBZ).mean()) if seen.any() else 0.0
    strongest = f"{highest:.1f} dBZ" if highest > NO_ECHO_DBZ else "no echo"
    return "\n".join((
        f"{path}: {len(valid)} frames of {values.shape[1]} x {values.shape[2]} by {name}",
        f"  issued {to_text(issued)}, valid {to_text(valid[0])} to {to_text(valid[-1])} "
        f"(lead {minutes(valid[0] - issued):g} to {minutes(valid[-1] - issued):g} min)",
        f"  {_RAIN_DBZ:g} dBZ or more on {rain:.1%}, strongest {strongest}, unknown {1 - seen.mean():.1%}",
    ))
