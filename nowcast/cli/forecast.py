"""`nowcast forecast`: an archive and a model in, one CF netCDF file with the coming frames out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nowcast.cli.device_argument import add_device_argument, device_of
from nowcast.cli.help_page import HelpPage
from nowcast.cli.set_argument import add_set_argument

if TYPE_CHECKING:
    import xarray as xr

_RAIN_DBZ = 10.0

HELP = HelpPage(
    """Forecasts the frames that follow the newest one of an archive, or another, with a baseline, a
network of the package (motionrnn, lmc_memory, astm) or a checkpoint of yours. The file holds
reflectivity, probabilities where the model knows them, and members and products where they are asked
for; beside it stands a page to look at, of the same name with .html. Other ends of --out give pictures, films
and files of other programs.""",
    examples=(
        (
            "nowcast forecast --archive italy.zarr --model motionrnn --out nowcast.nc",
            "the newest, 10 frames ahead",
        ),
        (
            "nowcast forecast --archive italy.zarr --model motionrnn --at 2025-03-22T12:00 --leads 6 "
            "--out noon.nc",
            "as it would have been at noon, 6 frames",
        ),
        (
            "nowcast forecast --archive italy.zarr --model motionrnn --members 24 --products all --z-r "
            "marshall_palmer --out rain.nc",
            "24 equally likely fields; sums of rain and when it begins",
        ),
        (
            "nowcast forecast --archive italy.zarr --model extrapolation --set method=tvl1 --out motion.nc",
            "a baseline, with a setting of its own",
        ),
        (
            "nowcast forecast --archive italy.zarr --model motionrnn --out nowcast.gif",
            "a map that moves; or .png, .mp4, .tif (COG), .h5 (ODIM_H5), .zarr",
        ),
    ),
    again="no file is written; run the same command again",
    see=("nowcast show", "nowcast at", "nowcast models", "nowcast verify", "docs/howto/look-at-a-forecast.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_model_arguments(parser)
    add_device_argument(parser)
    parser.add_argument("--leads", type=int, default=10, help="number of frames to forecast (default 10)")
    add_post_processing_arguments(parser)
    parser.add_argument(
        "--most-missing",
        type=int,
        metavar="N",
        default=3,
        help="past frames that may be missing; interpolated along the motion (default 3)",
    )
    add_mask_argument(parser)
    add_product_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="file to write; its end says what: everything in .nc or .zarr, reflectivity in .tif or .h5, "
        "pictures in .png, .gif or .mp4",
    )
    page = parser.add_mutually_exclusive_group()
    page.add_argument(
        "--page",
        type=Path,
        metavar="HTML",
        help="page to look at the forecast; by default beside --out, as .html",
    )
    page.add_argument("--no-page", action="store_true", help="write no page")


def add_mask_argument(parser: argparse.ArgumentParser) -> None:
    """Declare which quality marks are left out."""
    parser.add_argument(
        "--mask",
        metavar="MARK,...",
        help="leave out what bears these quality marks: speckle, spike, ray, stuck, jump (see 'nowcast info "
        "--quality'); the archive stays as it is",
    )


def marks_of(args: argparse.Namespace) -> list[str]:
    """Return the quality marks that are named."""
    return [name.strip() for name in (args.mask or "").split(",") if name.strip()]


def add_post_processing_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what corrects a forecast, and its members."""
    add_calibration_argument(parser)
    parser.add_argument(
        "--members",
        type=int,
        metavar="N",
        help="draw N equally likely fields from the probabilities, for example 24",
    )
    parser.add_argument("--seed", type=int, metavar="S", default=0, help="seed of the members (default 0)")


def add_product_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the products of a forecast."""
    parser.add_argument(
        "--products",
        metavar="NAME,...",
        help="rain_probability, rain_sum, neighbourhood_probability, rain_onset, ensemble_statistics, or all",
    )
    parser.add_argument(
        "--z-r",
        metavar="NAME",
        help="Z-R relation of products in mm for an archive that names none, such as marshall_palmer",
    )
    parser.add_argument(
        "--product-set",
        dest="product_assignments",
        metavar="NAME.KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="settings of products, for example rain_sum.periods_minutes=[30,60]",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare an archive, a model and a time."""
    parser.add_argument("--archive", type=Path, required=True, help="archive made by 'nowcast ingest'")
    parser.add_argument(
        "--model",
        required=True,
        metavar="CKPT_OR_NAME",
        help="a name (see 'nowcast models') or a checkpoint of 'nowcast train'",
    )
    parser.add_argument(
        "--at",
        default="latest",
        metavar="TIME",
        help="forecast reference time, UTC, such as 2025-03-22T12:00; the default is the newest frame",
    )
    add_set_argument(parser, "settings of the model, for example method=tvl1 or memory_gb=2")


def add_calibration_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the calibration that a forecast is made with."""
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="JSON",
        help="file of 'nowcast calibrate' that knows the model; a baseline gets probabilities from it",
    )


def run(args: argparse.Namespace) -> int:
    """Forecast, write the file, and report in a few lines what is in it."""
    from nowcast.archive.masked import masked
    from nowcast.core.settings import override
    from nowcast.workflows.forecast import forecast
    from nowcast.workflows.open_archive import open_archive
    from nowcast.workflows.past import newest_frames, reference_time_of
    from nowcast.workflows.write_forecast import format_of, write_as

    kind = format_of(args.out)
    page = _page(args, beside=not kind.holds)
    settings = override({}, args.assignments)
    coming = forecast(
        args.archive,
        args.model,
        args.at,
        args.leads,
        settings=settings,
        device=device_of(args),
        most_missing=args.most_missing,
        mask=marks_of(args),
        calibration=args.calibration,
        members=args.members,
        seed=args.seed,
        products=products_of(args),
        z_r=args.z_r,
        progress=True,
    )
    archive = masked(open_archive(args.archive), marks_of(args)) if page or kind.pictures else None
    before = newest_frames(archive, reference_time_of(coming)) if archive else None
    write_as(args.out, coming, before)
    print(summary(args.out, coming))
    if kind.holds:
        print(f"  {kind.holds}")
    if page is not None:
        from nowcast.workflows.show import show

        show(coming, page, archive=archive)
        print(f"  to look at it: {page}")
    return 0


def _page(args: argparse.Namespace, beside: bool) -> Path | None:
    """Return where the page goes: where asked for, or beside a file of the whole forecast on this machine."""
    from nowcast.core.files import check_place
    from nowcast.core.places import ObjectPath, place_of

    if args.no_page or (args.page is None and (not beside or isinstance(place_of(args.out), ObjectPath))):
        return None
    from nowcast.workflows.show import page_beside

    page: Path = args.page or page_beside(args.out)
    check_place(page)
    return page


def products_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the products that are named, by name."""
    from nowcast.core.errors import SettingsError, complain
    from nowcast.core.settings import override

    names: dict[str, Any] = {name.strip(): {} for name in (args.products or "").split(",") if name.strip()}
    for assignment in args.product_assignments:
        if not all(assignment.partition("=")[:2]):
            raise SettingsError(
                complain(
                    "--product-set",
                    assignment,
                    "NAME.KEY=VALUE",
                    "for example rain_sum.periods_minutes=[30,60]",
                )
            )
    found = override(names, args.product_assignments)
    for name in found:
        if name not in names and "all" not in names:
            raise SettingsError(
                complain(
                    "--product-set", name, "the name of a product that --products names", "name it there, too"
                )
            )
    return found


def summary(path: Path, coming: xr.Dataset) -> str:
    """Report what was written: model, times, strongest echo, probabilities."""
    import numpy as np

    from nowcast.core.scaling import NO_ECHO_DBZ
    from nowcast.core.times import minutes, to_text
    from nowcast.postprocessing.product_lines import product_lines

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
    if "network_choice" in coming.attrs:
        lines.append(f"  chosen by the step of the archive: {coming.attrs['network_choice']}")
    if not str(coming.attrs.get("computed_on", "CPU")).startswith("CPU"):
        lines.append(f"  computed on {coming.attrs['computed_on']}")
    if "interpolated_frames" in coming.attrs:
        lines.append(f"  past frames that are missing, interpolated: {coming.attrs['interpolated_frames']}")
    if "quality_masks" in coming.attrs:
        lines.append(f"  without what bears the quality marks: {coming.attrs['quality_masks']}")
    if "motion" in coming.attrs:
        lines.append(f"  motion: {coming.attrs['motion']}")
    if "exceedance_probability" in coming:
        events = ", ".join(f"{t:g}" for t in coming["threshold"].values)
        lines.append(f"  with the probability of reaching {events} dBZ")
    if "reflectivity_members" in coming:
        lines.append(f"  with {coming.attrs['members']}")
    lines += [f"  {line}" for line in product_lines(coming)]
    return "\n".join(lines)
