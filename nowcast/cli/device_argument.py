"""The option ``--device`` of every command that forecasts with networks, asked of the machine once."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nowcast.models.device import Found


def add_device_argument(parser: argparse.ArgumentParser, what: str = "; baselines compute on the CPU") -> None:
    """Declare ``--device``; ``what`` ends its help."""
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda", "auto"),
        default="cpu",
        help=f"that networks forecast on: cuda is the first GPU, auto that or else the CPU{what} (default cpu)",
    )


def device_of(args: argparse.Namespace) -> Found:
    """The device to forecast on; a line on stderr where ``auto`` finds no GPU.

    Raises:
        SettingsError: ``cuda`` where torch can use no GPU.
    """
    if args.device == "cpu":
        return "cpu"
    from nowcast.models.device import choose_device

    return choose_device(args.device, "--device")
