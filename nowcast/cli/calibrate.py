"""``nowcast calibrate``: choose decision levels of forecasters on validation periods."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--archive", type=Path, required=True, nargs="+", help="folders made by 'nowcast ingest'"
    )
    parser.add_argument(
        "--models", required=True, metavar="A,B,...",
        help="names (see 'nowcast models') and checkpoints, separated by commas",
    )
    parser.add_argument(
        "--period", required=True, nargs="+", metavar="START/END",
        help="UTC; a bare end date is included; neither days of training nor of testing",
    )
    parser.add_argument("--stride", type=int, default=6, help="frames between two start times (6)")
    parser.add_argument(
        "--thresholds", nargs="+", default=["10", "20", "30", "40", "50"], metavar="DBZ",
        help="events are at or above these (10 20 30 40 50); a network of probabilities has its own",
    )
    parser.add_argument("--leads", type=int, default=10, help="lead times, one archive step each (10)")
    parser.add_argument(
        "--min-wet-pixels", type=int, default=0, metavar="N",
        help="leave out start times with fewer pixels of 20 dBZ or more (0)",
    )
    parser.add_argument("--out", type=Path, required=True, help="file of levels, for 'nowcast verify --levels'")


def run(args: argparse.Namespace) -> int:
    """Calibrate and say in a table what the levels gain."""
    from nowcast.cli.verify import build_models, parse_thresholds
    from nowcast.core.files import check_place
    from nowcast.core.times import parse_period

    check_place(args.out)
    thresholds = parse_thresholds(args.thresholds)
    periods = [parse_period(text) for text in args.period]
    from nowcast.archive.reader import Archive
    from nowcast.evaluation.calibration import calibrate, summary
    from nowcast.forecasters.levels import write_levels

    found = calibrate(
        [Archive.open(path) for path in args.archive], build_models(args.models), periods,
        thresholds=thresholds, steps=args.leads, stride=args.stride, min_wet_pixels=args.min_wet_pixels,
        progress=True,
    )
    print(summary(found), flush=True)
    write_levels(args.out, found.levels, found.made)
    print(f"levels: {args.out}")
    return 0
