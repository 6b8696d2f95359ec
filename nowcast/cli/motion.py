"""`nowcast motion`: the motion at a time as arrows on the map, a MotionRNN's own beside the optical flow."""

from __future__ import annotations

import argparse
from pathlib import Path

from nowcast.cli.help_page import HelpPage

HELP = HelpPage(
    """Draws the motion that a model sees at a time as arrows on the map, beside that of the optical
flow.""",
    examples=(
        ("nowcast motion --archive italy.zarr --model motionrnn --out motion.png", "of the newest frames"),
        (
            "nowcast motion --archive italy.zarr --model extrapolation --at 2025-03-22T12:00 --out noon.png",
            "of a baseline at noon",
        ),
    ),
    see=("nowcast forecast", "docs/explanation/advection-and-probabilities.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from nowcast.cli.forecast import add_model_arguments

    add_model_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    add_palette_argument(parser)


def add_palette_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--palette`` for a command that draws reflectivity."""
    parser.add_argument(
        "--palette",
        default="safe",
        metavar="NAME",
        help="colours of reflectivity: safe, stronger is darker and colour-blind eyes see it so; radar, the "
        "classic of weather services (safe)",
    )


def run(args: argparse.Namespace) -> int:
    """Draw the motion of a model and of the optical flow side by side."""
    from nowcast.core.files import check_place
    from nowcast.core.settings import override
    from nowcast.report.motion import draw_motion
    from nowcast.report.palettes import palette_of
    from nowcast.workflows.load_model import load_model
    from nowcast.workflows.motion import find_motions
    from nowcast.workflows.open_archive import open_archive

    check_place(args.out)
    palette = palette_of(name=args.palette)
    model = load_model(args.model, override({}, args.assignments))
    newest, motions = find_motions(open_archive(args.archive), model, args.at)
    draw_motion(args.out, newest, motions, palette)
    print(f"motion: {args.out}")
    return 0
