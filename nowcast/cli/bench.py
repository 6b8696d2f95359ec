"""`nowcast bench`: fill a table of a paper, or one's own: train, test, time, write."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nowcast.cli.help_page import HelpPage
from nowcast.cli.set_argument import add_set_argument
from nowcast.core.errors import SettingsError

HELP = HelpPage(
    """Fills a table of a paper or one of your own: trains each row, tests all once training is over,
times them, and writes Markdown, CSV and a page. Those that end in _small need minutes and no data of
others.""",
    examples=(
        ("nowcast bench digits_small", "all three systems on digits made on the fly"),
        (
            "nowcast bench v_mnist_small --data mnist --out runs/v_mnist",
            "on MNIST's digits in the folder mnist",
        ),
        (
            'nowcast bench motionrnn_table1 --data human36m --models PredRNN "MotionRNN on PredRNN"',
            "two rows of a paper's table",
        ),
        (
            "nowcast bench own.yaml --most-minutes 60",
            "start no training after an hour, and test what is trained",
        ),
    ),
    again="trained rows and last.ckpt of the one at work stay; the same command goes on",
    see=("nowcast configs", "nowcast train", "docs/howto/bench.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "config",
        type=Path,
        metavar="NAME|YAML",
        help="a benchmark: a packaged one ('nowcast configs list') or a file",
    )
    parser.add_argument(
        "--models",
        metavar="ROW",
        nargs="+",
        action="extend",
        default=[],
        help="only these rows are trained and scored (default: all); the table shows all that is known",
    )
    add_set_argument(
        parser, "put values over the configuration, for example data.sources.0.settings.path=mnist"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="where the data lies: the path of every source"
    )
    parser.add_argument(
        "--most-minutes",
        type=float,
        metavar="N",
        help="start no training later than this; what is trained by then is scored",
    )
    parser.add_argument(
        "--predictions",
        action="store_true",
        help="also write every forecast of the test clips: one Zarr for each row and seed",
    )
    parser.add_argument(
        "--out", type=Path, help="folder of runs and tables (default: runs/bench/NAME of the configuration)"
    )
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="FOLDER",
        help="folder of the trainings (default: runs in --out); tables that name the same one train a row "
        "with the same name, network, data and training once",
    )


def run(args: argparse.Namespace) -> int:
    """Do what is left to do; print the table and where everything is."""
    if args.most_minutes is not None and not args.most_minutes >= 0:
        raise SettingsError(f"--most-minutes: got {args.most_minutes}, expected 0 or more")
    from nowcast.bench.benchmark import read_benchmark

    bench = read_benchmark(args.config, args.assignments, args.data)
    from nowcast.bench.entries import pick_rows

    rows = pick_rows(bench, args.models)
    from nowcast.bench.results import write_results
    from nowcast.bench.run import BenchmarkRun

    out = args.out or Path("runs/bench") / args.config.stem
    work = BenchmarkRun(
        bench, out, rows, args.most_minutes, progress=True, predictions=args.predictions, runs=args.runs
    )
    outcome = work(lambda scored: write_results(out, bench, scored, work.held_out))
    written = write_results(out, bench, outcome, work.held_out)
    print(written.table.read_text(encoding="utf-8"))
    for text in outcome.missing:
        print(f"missing: {text}", file=sys.stderr)
    if args.predictions:
        print(f"predictions: {work.exports.folder}")
    print(f"table: {written.table}, {written.csv}\nscores: {written.scores}\npage:  {written.page}")
    return 0
