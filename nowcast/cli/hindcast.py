"""``nowcast hindcast``: the forecasts of a period, each as if made when it was due, in one Zarr store."""

from __future__ import annotations

import argparse

from nowcast.cli.device_argument import add_device_argument, device_of
from nowcast.cli.forecast import (
    add_mask_argument,
    add_post_processing_arguments,
    add_product_arguments,
    marks_of,
    products_of,
)
from nowcast.cli.help_page import HelpPage
from nowcast.cli.set_argument import add_set_argument
from nowcast.cli.workers import add_worker_arguments, engine_asked_for

HELP = HelpPage(
    """Makes the forecasts of a period, each as if made when it was due, into one CF Zarr store, on the
cores of this machine or on a dask cluster. It goes on where it was stopped and ends in the same values.""",
    examples=(
        (
            "nowcast hindcast --archive italy.zarr --model motionrnn --period 2025-03-21/2025-03-22 --out"
            " march.zarr",
            "two days, every frame",
        ),
        (
            "nowcast hindcast --archive italy.zarr --model extrapolation --period 2025-03-01/2025-03-31 "
            "--stride 6 --workers 4 --out month.zarr",
            "a month, every sixth frame, on four cores",
        ),
        (
            "nowcast hindcast --archive s3://bucket/italy.zarr --model motionrnn --period "
            "2025-03-21/2025-03-22 --scheduler tcp://10.0.0.1:8786 --out s3://bucket/march.zarr",
            "on a cluster, from and to an object store",
        ),
    ),
    again="what is done stays in the store; the same command goes on",
    see=("nowcast verify", "docs/howto/cluster.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--archive", required=True, help="archive made by 'nowcast ingest': a folder or s3://..."
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="CKPT_OR_NAME",
        help="a name (see 'nowcast models') or a checkpoint of 'nowcast train'",
    )
    add_set_argument(parser, "settings of the model, for example method=tvl1 or memory_gb=2")
    add_device_argument(parser)
    parser.add_argument(
        "--period",
        required=True,
        metavar="START/END",
        help="of forecast reference times, UTC; a bare end date is included",
    )
    parser.add_argument("--stride", type=int, default=1, help="frames between two initialisation times (1)")
    parser.add_argument("--leads", type=int, default=10, help="lead times, one step each (10)")
    parser.add_argument(
        "--out",
        required=True,
        metavar="STORE.zarr",
        help="Zarr store to make, or to go on with where it was stopped: a folder or s3://...",
    )
    add_mask_argument(parser)
    add_post_processing_arguments(parser)
    add_product_arguments(parser)
    add_worker_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Forecast and report in a line what is in the store."""
    from nowcast.core.settings import override
    from nowcast.workflows.hindcast import hindcast

    settings = override({}, args.assignments)
    device = device_of(args)
    with engine_asked_for(args) as engine:
        report = hindcast(
            args.archive,
            args.model,
            args.period,
            args.out,
            stride=args.stride,
            lead_times=args.leads,
            mask=marks_of(args),
            settings=settings,
            device=device,
            calibration=args.calibration,
            members=args.members,
            seed=args.seed,
            products=products_of(args),
            z_r=args.z_r,
            progress=True,
            engine=engine,
        )
    print(report)
    return 0
