"""``nowcast models``: what can be named as a model, how large it is, and where it comes from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nowcast.cli.help_page import HelpPage

if TYPE_CHECKING:
    from nowcast.models.configuration import ModelConfiguration

HELP = HelpPage(
    """Lists what can be named as a model: networks with their parameters and paper, baselines, and the
trained networks of the package, whose cards say what they were trained on, how good they are and where
they fail.""",
    examples=(
        ("nowcast models", "all"),
        ("nowcast models --card motionrnn", "what is known of a network of the package"),
        (
            "nowcast models predrnn_shanghai motionrnn_predrnn_shanghai --measure",
            "rows of a paper, counted and measured",
        ),
        ("nowcast models convlstm --size 64 64 --channels 1 --past 10 --steps 10 --measure", "at another size"),
    ),
    see=("nowcast forecast", "nowcast train", "docs/reference/skill.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "rows",
        nargs="*",
        metavar="NAME|YAML",
        help="networks of the catalog, configurations of a paper's row ('nowcast configs list model') or such "
        "files; every network if none is given",
    )
    parser.add_argument("--card", metavar="NAME", help="print the card of a network of the package")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="also count the multiply-accumulates of one sequence and measure the memory it takes",
    )
    parser.add_argument("--past", type=int, default=4, help="frames given (default 4)")
    parser.add_argument("--steps", type=int, default=4, help="frames forecast (default 4)")
    parser.add_argument("--channels", type=int, default=3, help="channels of a frame (default 3)")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(128, 128),
        metavar=("ROWS", "COLUMNS"),
        help="frame size (default 128 128); with the other defaults the setting of MotionRNN's Table 2",
    )


def run(args: argparse.Namespace) -> int:
    """Print one line a network, or a card."""
    from tqdm import tqdm

    from nowcast.models.catalog import MODELS

    if args.card is not None:
        from nowcast.forecasters.registry import card

        print(card(args.card))
        return 0

    rows = [_configuration(row, args) for row in args.rows or MODELS]
    print(f"{'network':<22} {'parameters':>12} {'GMAC':>9} {'MB':>6}  {'sequence':<24} source")
    busy = tqdm(rows, file=sys.stderr, desc="measure", disable=not args.measure, leave=False)
    lines = [_line(name, row, args.measure) for name, row in busy]
    print("\n".join(lines))
    if not args.rows:
        print("\n" + _forecasters())
    if not args.measure:
        print(
            "\n--measure counts GMAC, the multiply-accumulates of one sequence, in thousand millions, and "
            "measures\nMB, the memory above the weights while it is forecast on this CPU."
        )
    return 0


def _forecasters() -> str:
    """What `forecast` and `verify` take by name, from the first sentence of each one's docstring."""
    from nowcast.forecasters.catalog import FORECASTERS, build_forecaster
    from nowcast.forecasters.registry import means, registry, weights_of
    from nowcast.models.checkpoint import load_network

    lines = [f"{'forecaster':<22} {'parameters':>12}  what it does"]
    for name in FORECASTERS:
        told = (type(build_forecaster(name)).__doc__ or "").strip().split("\n\n")[0]
        lines.append(f"{name:<22} {0:>12}  {' '.join(told.split())}")
    lines.append(f"{'average':<22} {'':>12}  The mean of the probabilities of several, as a+b+c names it, too.")
    sizes = {}
    for name in registry():
        loaded = load_network(weights_of(name))
        parameters = sizes[name] = sum(p.numel() for p in loaded.model.parameters())
        step, reach = loaded.meta.step_seconds / 60, loaded.meta.future * loaded.meta.step_seconds / 60
        told = f"trained {loaded.meta.model}: every {step:g} min to {reach:g} min (--card {name})"
        lines.append(f"{name:<22} {parameters:>12,}  {told}")
    for name, mean in means().items():
        told = f"mean of {', '.join(mean.members)}, calibrated: every {mean.step_minutes:g} min (--card {name})"
        lines.append(f"{name:<22} {sum(sizes[m] for m in mean.members):>12,}  {told}")
    lines.append(
        "'forecast' and 'verify' take these names and the checkpoints that 'train' makes of the networks above."
    )
    return "\n".join(lines)


def _configuration(row: str, args: argparse.Namespace) -> tuple[str, ModelConfiguration]:
    from nowcast.core.packaged_configs import config_names
    from nowcast.models.catalog import MODELS, find_model
    from nowcast.models.choice import ModelChoice
    from nowcast.models.configuration import ModelConfiguration, read_configuration

    if row.endswith((".yaml", ".yml")) or (row not in MODELS and row in config_names("model")):
        return Path(row).stem, read_configuration(Path(row))
    entry = find_model(row)
    configuration = ModelConfiguration(
        entry.title, entry.paper, ModelChoice(row), args.past, args.steps, tuple(args.size), args.channels
    )
    return row, configuration


def _line(name: str, row: ModelConfiguration, measure: bool) -> str:
    counts = row.count() if measure else None
    parameters = counts.parameters if counts else row.parameters()
    work = f"{counts.multiply_accumulates / 1e9:9.2f}" if counts else f"{'':>9}"
    memory = f"{_megabytes(row) if measure else '':>6}"
    sequence = f"{row.past}->{row.future} {row.size[0]}x{row.size[1]}x{row.channels}"
    return f"{name:<22} {parameters:>12,} {work} {memory}  {sequence:<24} {row.source}"


def _megabytes(row: ModelConfiguration) -> str:
    from nowcast.models.cpu.peak_memory import peak_forecast_mb

    if sys.platform != "linux":  # only Linux tells a process its peak
        return "-"
    model = row.model
    peak = peak_forecast_mb(model.name, model.settings, row.past, row.future, row.size, row.channels)
    return f"{peak:.0f}"
