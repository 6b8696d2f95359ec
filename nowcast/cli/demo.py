"""`nowcast demo`: the main job on data that the package makes itself."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from nowcast.cli.help_page import HelpPage

FEWEST_FRAMES = 200
"""Below this the held-out parts of a season to train on are too short for windows of 15 frames."""
FEWEST_UNTRAINED = 30
MOST_FRAMES = 20_000

HELP = HelpPage(
    """Does the main job from nothing: writes a season of made-up storms as radar files, ingests them,
forecasts with a network, verifies, and says where the page is. Needs no data, no network and no GPU.""",
    examples=(
        ("nowcast demo", "with the MotionRNN of the package"),
        ("nowcast demo --train --minutes 3 --out trained/", "train a small network on the storms first"),
        ("nowcast demo --files-only --seed 8", "another season, as radar files to try commands on"),
    ),
    again="what is written so far stays in the folder; run the same command again",
    see=("nowcast ingest", "nowcast forecast", "nowcast verify", "docs/tutorial/first-nowcast.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for everything (demo)")
    parser.add_argument(
        "--train",
        action="store_true",
        help="train a small network on the season; without, the package's MotionRNN forecasts",
    )
    parser.add_argument(
        "--minutes", type=float, help="time for that training (1.5); given alone it asks for training, too"
    )
    parser.add_argument(
        "--frames", type=int, help="length of the storm season (420 to train on, otherwise 120)"
    )
    parser.add_argument(
        "--files-only", action="store_true", help="stop once the files of a season to train on are written"
    )
    parser.add_argument("--seed", type=int, default=7, help="another seed, another season (7)")


def run(args: argparse.Namespace) -> int:
    """Do the whole job and print where the page is."""
    from nowcast.core.errors import SettingsError

    to_train = args.train or args.minutes is not None
    train = to_train or args.files_only
    fewest = FEWEST_FRAMES if train else FEWEST_UNTRAINED
    if args.frames is not None and not fewest <= args.frames <= MOST_FRAMES:
        raise SettingsError(f"--frames: got {args.frames}, expected {fewest} to {MOST_FRAMES}")
    if args.seed < 0:
        raise SettingsError(f"--seed: got {args.seed}, expected 0 or more")
    minutes = 1.5 if args.minutes is None else args.minutes
    if not minutes > 0:
        raise SettingsError(f"--minutes: got {args.minutes:g}, expected a number above zero")
    from nowcast.demo.run import DemoSettings, run_demo, season, write_files

    storms = season(train, args.seed, args.frames)
    settings = DemoSettings(minutes=minutes if to_train else None, storms=storms)
    if args.files_only:
        files = write_files(settings, args.out / "radar", progress=True)
        print(f"radar files: {len(files)} in {args.out / 'radar'}")
        return 0
    page = run_demo(args.out, settings, say=partial(print, flush=True), progress=True)
    print(f"page: {page.resolve()}")
    return 0
