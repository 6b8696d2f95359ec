"""``nowcast verify``: score forecasters over a period and write the table and the page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nowcast.core.errors import SettingsError

if TYPE_CHECKING:
    from nowcast.forecasters.base import Forecaster

_A_YEAR = 525_600.0
"""Minutes; no archive has a longer step."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--archive", type=Path, required=True, help="a folder made by 'nowcast ingest'")
    parser.add_argument(
        "--models", required=True, metavar="A,B,...",
        help="names (see 'nowcast models') and checkpoints, separated by commas",
    )
    parser.add_argument("--period", required=True, metavar="START/END", help="UTC; a bare end date is included")
    parser.add_argument("--stride", type=int, default=6, help="frames between two start times (6)")
    parser.add_argument(
        "--thresholds", nargs="+", default=["10", "20", "30", "40", "50"], metavar="DBZ",
        help="events are at or above these (10 20 30 40 50)",
    )
    parser.add_argument(
        "--scores", metavar="A,B,...",
        help="names of docs/reference/scores.md, separated by commas (csi, pod, far, bias, mae, mse, rmse, "
        "mean_error, gdl, ssim)",
    )
    parser.add_argument("--leads", type=int, default=10, help="lead times, one step each (10)")
    parser.add_argument(
        "--step", type=float, metavar="MINUTES",
        help="take frames so far apart, for a network made for a longer step than the archive's",
    )
    parser.add_argument(
        "--min-wet-pixels", type=int, default=0, metavar="N",
        help="leave out start times with fewer pixels of 20 dBZ or more (0)",
    )
    parser.add_argument(
        "--levels", type=Path, nargs="+", metavar="JSON",
        help="decision levels of 'nowcast calibrate': each model that has some in one of these files is scored "
        "with them as well",
    )
    parser.add_argument(
        "--reference", metavar="NAME",
        help="the model from which differences are taken (extrapolation, or else the first)",
    )
    parser.add_argument(
        "--horizon", type=float, nargs=2, metavar=("DBZ", "CSI"),
        help="skill horizon: the lead time at which CSI at a threshold falls under a value (30 0.25)",
    )
    parser.add_argument("--cases", type=int, default=3, help="nowcasts that the page shows frame by frame (3)")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for scores.csv, confidence.csv and index.html"
    )


def run(args: argparse.Namespace) -> int:
    """Verify and say in a table what came out."""
    from nowcast.core.times import parse_period

    thresholds = parse_thresholds(args.thresholds)
    scores = parse_scores(args.scores)
    start, end = parse_period(args.period)
    import numpy as np

    from nowcast.archive.reader import Archive
    from nowcast.archive.thinned import thinned
    from nowcast.evaluation.comparison import Against, confidence_text
    from nowcast.evaluation.skill_report import summary, write_skill
    from nowcast.forecasters.calibrated import with_calibrated
    from nowcast.forecasters.levels import read_levels

    if args.step is not None and not 0 < args.step < _A_YEAR:
        raise SettingsError(f"--step: got {args.step:g}, expected minutes above 0, for example 10")
    step = None if args.step is None else np.timedelta64(round(args.step * 60e9), "ns")
    archive = thinned(Archive.open(args.archive), step)
    models = build_models(args.models)
    if args.levels is not None:
        models = with_calibrated(models, [found for file in args.levels for found in read_levels(file).models])
    horizon = dict(zip(("horizon_dbz", "horizon_csi"), args.horizon or (), strict=False))
    skill = write_skill(
        args.out, archive, models, start, end, stride=args.stride, steps=args.leads,
        thresholds=thresholds, scores=scores, min_wet_pixels=args.min_wet_pixels, cases=max(0, args.cases),
        against=Against(args.reference, **horizon), progress=True,
    )
    print(summary(skill.verification))
    print(confidence_text(skill.confidence))
    print(f"scores: {skill.scores}\nintervals: {skill.intervals}\npage:   {skill.page}")
    return 0


def parse_thresholds(texts: list[str]) -> list[float]:
    """Read thresholds given apart or with commas between them.

    Raises:
        SettingsError: not a number, NaN, negative, or one twice.
    """
    from nowcast.scores.catalog import build_metrics

    found = []
    for text in ",".join(texts).replace(" ", "").split(","):
        try:
            found.append(float(text))
        except ValueError as error:
            raise SettingsError(
                f"threshold: got '{text}', expected a number of dBZ such as 20; correct --thresholds"
            ) from error
    build_metrics(found)
    return found


def parse_scores(text: str | None) -> list[str]:
    """Read names of scores with commas between them; None gives those that are always computed.

    Raises:
        SettingsError: nothing named, an unknown name, or one twice.
    """
    from nowcast.scores.catalog import DEFAULT_SCORES, build_metrics

    found = list(DEFAULT_SCORES) if text is None else [n.strip() for n in text.split(",") if n.strip()]
    if not found or len(set(found)) < len(found):
        raise SettingsError(
            f"scores: got '{text}', expected names with commas between them, each once; for example csi,mae"
        )
    build_metrics([20.0], found)
    return found


def build_models(text: str) -> dict[str, Forecaster]:
    """Make the forecasters named, each under a name of its own.

    A checkpoint goes by the name its forecaster gives itself; where two share one, the folder and file
    that were given tell them apart.

    Raises:
        SettingsError: nothing named, or one named twice.
        NowcastError: an unknown name, or a checkpoint that cannot be read.
    """
    from nowcast.forecasters.catalog import build_forecaster

    asked = [part.strip() for part in text.split(",") if part.strip()]
    if not asked or len(set(asked)) < len(asked):
        raise SettingsError(
            f"models: got '{text}', expected names or checkpoints with commas between them, each once; "
            "for example persistence,extrapolation"
        )
    made = [build_forecaster(name) for name in asked]
    own = [forecaster.name for forecaster in made]
    names = [
        name if own.count(name) == 1 else f"{name} ({'/'.join(Path(given).parts[-3:])})"
        for name, given in zip(own, asked, strict=True)
    ]
    return dict(zip(names, made, strict=True))
