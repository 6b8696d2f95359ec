"""``nowcast import-checkpoint``: weights of a paper's published code become a checkpoint of this package."""

from __future__ import annotations

import argparse
from pathlib import Path

from nowcast.cli.help_page import HelpPage

HELP = HelpPage(
    """Turns the weights of a paper's published code into a checkpoint that every command takes. What
the shapes of the weights tell is read from them; the rest is said here.""",
    examples=(
        (
            "nowcast import-checkpoint motionrnn.pth --model motionrnn_predrnn --out motionrnn.ckpt --dbz 0 70",
            "for radar, where 0 and 1 stood for 0 and 70 dBZ",
        ),
        (
            "nowcast import-checkpoint predrnn.pth --model predrnn --out predrnn.ckpt --past 10 --future "
            "10 --size 64 64",
            "for videos of 64 x 64, 10 frames given and 10 forecast",
        ),
    ),
    see=("nowcast models", "docs/explanation/differences.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, help="the published checkpoint")
    parser.add_argument("--model", required=True, help="which network it is of, for example motionrnn_predrnn")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint to write (.ckpt)")
    parser.add_argument("--channels", type=int, default=1, help="channels of its frames (default 1)")
    parser.add_argument("--patch", type=int, default=4, help="side of its patches (default 4)")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("ROWS", "COLUMNS"),
        help="its frame size; needed where it has layer norm",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="settings of the network that the shapes do not tell",
    )
    parser.add_argument("--past", type=int, default=5, help="frames it was given in training (default 5)")
    parser.add_argument("--future", type=int, default=10, help="frames it was to forecast (default 10)")
    parser.add_argument(
        "--step-seconds", type=float, default=360.0, help="time between two frames (default 360)"
    )
    parser.add_argument(
        "--dbz",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="which dBZ its 0 and 1 stand for; without it, it forecasts videos, not radar",
    )


def run(args: argparse.Namespace) -> int:
    """Write the checkpoint, whole or not at all, and print what was read from the shapes."""
    from nowcast.core.errors import CheckpointError
    from nowcast.core.files import sha256
    from nowcast.core.scaling import Scaling
    from nowcast.core.settings import override
    from nowcast.models import checkpoint
    from nowcast.models.counts import count_parameters
    from nowcast.models.published import PUBLISHED, load_published_with_settings

    size = tuple(args.size) if args.size else None
    network, settings = load_published_with_settings(
        args.file,
        args.model,
        channels=args.channels,
        patch=args.patch,
        size=size,
        settings=override({}, args.set),
    )
    if args.past < network.past_min or args.future < 1 or not args.step_seconds > 0:
        raise CheckpointError(
            f"--past {args.past} --future {args.future} --step-seconds {args.step_seconds:g}: expected "
            f"at least {network.past_min} past frames, 1 future frame and a step above 0; "
            "give what it was trained on"
        )
    meta = checkpoint.CheckpointMeta(
        model=args.model,
        settings=settings,
        channels=args.channels,
        size=size,
        past=args.past,
        future=args.future,
        step_seconds=args.step_seconds,
        scaling=Scaling(*args.dbz) if args.dbz else None,
        data_fingerprint=f"{PUBLISHED[args.model].title}, sha256 {sha256(args.file)}",
    )
    checkpoint.save(args.out, checkpoint.pack(network.state_dict(), meta))
    print(f"{args.out}: {args.model}, {count_parameters(network):,} parameters, from {args.file}")
    for name, value in settings.items():
        print(f"  {name}: {value}")
    return 0
