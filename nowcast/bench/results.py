"""What a benchmark leaves for people: results.md, results.csv, scores.csv, whole or not at all."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from nowcast.bench.benchmark import Benchmark
from nowcast.bench.run import Outcome
from nowcast.bench.tables import long_csv, markdown, wide_csv
from nowcast.core.files import whole_file


@dataclass(frozen=True)
class Written:
    """Where everything is."""

    table: Path
    csv: Path
    scores: Path


def write_results(out: Path, bench: Benchmark, outcome: Outcome) -> Written:
    """Write all files into ``out``, all or none.

    Raises:
        FileError: the folder cannot be written.
    """
    paths = Written(out / "results.md", out / "results.csv", out / "scores.csv")
    texts = {
        paths.table: markdown(bench, outcome), paths.csv: wide_csv(bench, outcome),
        paths.scores: long_csv(bench, outcome),
    }
    with contextlib.ExitStack() as stack:
        for path, text in texts.items():
            stack.enter_context(whole_file(path)).write_text(text, encoding="utf-8")
    return paths
