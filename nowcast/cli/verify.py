"""``nowcast verify``: score forecasters over a period and write the table and the page."""

from __future__ import annotations

import argparse
from pathlib import Path

from nowcast.cli.device_argument import add_device_argument, device_of
from nowcast.cli.forecast import add_mask_argument, marks_of
from nowcast.cli.help_page import HelpPage
from nowcast.cli.motion import add_palette_argument
from nowcast.cli.workers import add_worker_arguments, engine_asked_for
from nowcast.core.errors import SettingsError

HELP = HelpPage(
    """Scores forecasters over a period, each from the same initialisation times and on the same
observed cells, and leaves tables (scores.csv, confidence.csv) and a page with maps, cases and how sure
the differences are.""",
    examples=(
        (
            "nowcast verify --archive italy.zarr --models persistence,extrapolation,motionrnn --period "
            "2025-03-21/2025-03-22 --out skill/",
            "two baselines and a network over two days",
        ),
        (
            "nowcast verify --archive italy.zarr --models motionrnn,runs/own/v0/best.ckpt --period "
            "2025-03-21/2025-03-22 --thresholds 20 30 --scores default,probabilistic --members 24 --out "
            "both/",
            "probabilities and members as well",
        ),
        (
            "nowcast verify --archive italy.zarr --models extrapolation,motionrnn --period "
            "2025-03-01/2025-03-31 --stride 12 --by hour,region --workers 4 --out month/",
            "a month by hour of the day and by region, on four cores",
        ),
    ),
    again="nothing half-written stays; run the same command again",
    see=("nowcast calibrate", "docs/reference/scores.md", "docs/reference/skill.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--archive", type=Path, required=True, help="a folder made by 'nowcast ingest'")
    parser.add_argument("--period", required=True, metavar="START/END", help="UTC; a bare end date is included")
    add_forecast_arguments(parser, "events are at or above these (10 20 30 40 50)")
    parser.add_argument(
        "--hindcast",
        nargs="+",
        default=[],
        metavar="STORE.zarr",
        help="stores of 'nowcast hindcast', scored beside the models at the times of their forecasts",
    )
    add_mask_argument(parser)
    parser.add_argument(
        "--scores",
        metavar="A,B,...",
        help="names of docs/reference/scores.md or groups of them (default, events, probabilistic, ensemble), "
        "separated by commas (csi, pod, far, bias, mae, mse, rmse, mean_error, gdl, ssim); without it, "
        "networks that know probabilities bring brier, brier_skill, reliability and roc_area",
    )
    parser.add_argument(
        "--members",
        type=int,
        metavar="N",
        help="draw so many members from the probabilities of each model that has some",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the members (0)")
    parser.add_argument(
        "--by",
        metavar="A,B",
        help="hour, region, event: scores of each hour of the day, each region and each event as well",
    )
    parser.add_argument(
        "--regions", type=Path, metavar="GEOJSON", help="areas to take for regions in place of blocks"
    )
    parser.add_argument(
        "--region-km", type=float, default=200.0, metavar="KM", help="about how wide a region is (200)"
    )
    parser.add_argument(
        "--step",
        type=float,
        metavar="MINUTES",
        help="take frames so far apart (the longest step that a model was made for)",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        nargs="+",
        default=[],
        metavar="JSON",
        help="files of 'nowcast calibrate': each model that one of them knows is scored calibrated as well",
    )
    parser.add_argument(
        "--decision-thresholds",
        type=Path,
        nargs="+",
        default=[],
        metavar="JSON",
        help="such files of which the decision thresholds alone are taken, not what concerns probabilities",
    )
    parser.add_argument(
        "--reference",
        metavar="NAME",
        help="the model from which differences are taken (extrapolation, or else the first)",
    )
    parser.add_argument(
        "--horizon",
        type=float,
        nargs=2,
        metavar=("DBZ", "CSI"),
        help="skill horizon: the lead time at which CSI at a threshold falls under a value (30 0.25)",
    )
    parser.add_argument(
        "--block-hours",
        type=float,
        default=6.0,
        metavar="H",
        help="intervals are drawn from blocks of initialisation times so long (6)",
    )
    parser.add_argument(
        "--storms", action="store_true", help="from storms instead, which end where H hours have no start"
    )
    parser.add_argument("--cases", type=int, default=3, help="nowcasts that the page shows frame by frame (3)")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for scores.csv, confidence.csv, index.html and, with --by, groups.csv",
    )
    add_palette_argument(parser)
    add_worker_arguments(parser)


def add_forecast_arguments(parser: argparse.ArgumentParser, of_events: str) -> None:
    """Declare which forecasts `verify` and `calibrate` make; ``of_events`` is the help of the thresholds."""
    parser.add_argument(
        "--models",
        required=True,
        metavar="A,B,...",
        help="names (see 'nowcast models') and checkpoints, separated by commas",
    )
    add_device_argument(parser)
    parser.add_argument("--stride", type=int, default=6, help="frames between two initialisation times (6)")
    parser.add_argument(
        "--thresholds", nargs="+", default=["10", "20", "30", "40", "50"], metavar="DBZ", help=of_events
    )
    parser.add_argument("--leads", type=int, default=10, help="lead times, one step each (10)")
    parser.add_argument(
        "--min-wet-pixels",
        type=int,
        default=0,
        metavar="N",
        help="leave out initialisation times with fewer pixels of 20 dBZ or more (0)",
    )
    parser.add_argument(
        "--most-missing",
        type=int,
        default=3,
        metavar="N",
        help="take initialisation times after which so many frames are missing; those are not scored (3)",
    )


def run(args: argparse.Namespace) -> int:
    """Verify and report in a table what was found."""
    from nowcast.core.places import place_of
    from nowcast.core.times import parse_period

    thresholds, scores = parse_thresholds(args.thresholds), parse_scores(args.scores)
    parse_period(args.period)
    from nowcast.evaluation.comparison import Against, confidence_text
    from nowcast.evaluation.skill_text import summary
    from nowcast.forecasters.stored import StoredHindcast
    from nowcast.scores.confidence import Bootstrap
    from nowcast.workflows.verify import verify

    by = [name.strip() for name in (args.by or "").split(",") if name.strip()]
    horizon = dict(zip(("horizon_dbz", "horizon_csi"), args.horizon or (), strict=False))
    device = device_of(args)
    with engine_asked_for(args) as engine:
        skill = verify(
            args.archive,
            [*parse_models(args.models), *(StoredHindcast(place_of(store)) for store in args.hindcast)],
            args.period,
            args.out,
            stride=args.stride,
            lead_times=args.leads,
            thresholds=thresholds,
            scores=scores,
            step_minutes=args.step,
            min_wet_pixels=args.min_wet_pixels,
            mask=marks_of(args),
            calibration=args.calibration,
            decision_thresholds=args.decision_thresholds,
            against=Against(args.reference, **horizon, how=Bootstrap(args.block_hours, storms=args.storms)),
            by=by,
            regions=args.regions,
            region_km=args.region_km,
            most_missing=args.most_missing,
            members=args.members,
            seed=args.seed,
            device=device,
            cases=max(0, args.cases),
            palette=args.palette,
            progress=True,
            engine=engine,
        )
    print(summary(skill.verification))
    print(confidence_text(skill.confidence))
    print(f"scores: {skill.scores}\nintervals: {skill.intervals}\npage:   {skill.page}")
    if skill.groups is not None:
        print(f"groups: {skill.groups}")
    return 0


def parse_models(text: str) -> list[str]:
    """Read names of models and paths of checkpoints with commas between them.

    Raises:
        SettingsError: nothing named, or one named twice.
    """
    asked = [part.strip() for part in text.split(",") if part.strip()]
    if not asked or len(set(asked)) < len(asked):
        raise SettingsError(
            f"models: got '{text}', expected names or checkpoints with commas between them, each once; "
            "for example persistence,extrapolation"
        )
    return asked


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


def parse_scores(text: str | None) -> list[str] | None:
    """Read names of scores and of groups of them with commas between; None leaves the choice to `verify`.

    Raises:
        SettingsError: nothing named, an unknown name, or one twice.
    """
    from nowcast.scores.catalog import named_scores

    if text is None:
        return None
    return list(named_scores([n.strip() for n in text.split(",") if n.strip()]))
