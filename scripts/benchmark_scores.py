"""What it costs to score one nowcast of 24 members, 10 lead times and 479 x 617 cells, in seconds of one core.

    OMP_NUM_THREADS=1 python scripts/benchmark_scores.py [--members 24] [--cells 479 617] [--repeats 3]
    OMP_NUM_THREADS=1 python scripts/benchmark_scores.py --archive A.zarr [--models NAME ...] [--nowcasts 6]

Members are smooth random fields; about two cells in three have an echo. The least of the repeats counts.

With an archive: what its nowcasts take to forecast and to score, all that `nowcast verify` counts when nobody
says what, in CPU seconds, means of nowcasts spread over the archive; the models take turns. S-PROG needs
pysteps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.text_table import text_table
from nowcast.evaluation.cell_maps import block_of
from nowcast.evaluation.period import PeriodScores
from nowcast.evaluation.skill_report import drawn_thresholds
from nowcast.forecasters.catalog import build_forecaster
from nowcast.scores.catalog import SCORE_GROUPS, build_metrics
from nowcast.scores.categorical import DEFAULT_THRESHOLDS_DBZ
from nowcast.scores.evaluate import Tally
from nowcast.workflows.forecast import forecast_with_past
from nowcast.workflows.open_archive import open_archive
from nowcast.workflows.score_nowcast import Reading
from nowcast.workflows.truth import read_truth
from nowcast.workflows.verify import default_scores

THRESHOLDS = [10.0, 20.0, 30.0, 40.0, 45.0]
LEADS = 10


def main() -> None:
    """Score the same fields by each group of scores, and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=24)
    parser.add_argument("--cells", type=int, nargs=2, default=[479, 617])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--models", nargs="+", default=["extrapolation", "sprog", "motionrnn"])
    parser.add_argument("--nowcasts", type=int, default=6)
    args = parser.parse_args()
    if args.archive:
        print(text_table(_verified(args.archive, args.models, args.nowcasts)))
        return
    random = np.random.default_rng(0)
    shape = (LEADS, *args.cells)
    common = gaussian_filter(random.normal(size=shape), (1, 12, 12)).astype(np.float32)
    observed = 8 + 12 * common / common.std()
    members = np.empty((args.members, *shape), np.float32)
    for member in members:
        member[:] = observed + 60 * gaussian_filter(random.normal(size=shape).astype(np.float32), (0, 4, 4))
    for field in (observed, members):
        field[field < 5] = NO_ECHO_DBZ
    observed[:, :100, :100] = np.nan
    probabilities = {t: (members >= t).mean(axis=0, dtype=np.float32) for t in THRESHOLDS}
    dbz = members[0]
    rows = [["scores", "seconds of one core"]]
    for name in ("crps", *SCORE_GROUPS):
        metrics = build_metrics(THRESHOLDS, [name])
        seconds = []
        for _ in range(args.repeats):
            began = time.process_time()
            Tally(metrics).add(dbz, observed, probabilities, members)
            seconds.append(time.process_time() - began)
        rows.append([name, f"{min(seconds):.2f}"])
    print(text_table(rows))


def _verified(path: Path, names: Sequence[str], nowcasts: int) -> list[list[str]]:
    """Rows of the seconds of forecasts and of their scoring, by model and of all together."""
    archive = open_archive(path)
    models = {name: build_forecaster(name, step=archive.step) for name in names}
    scores = default_scores({name: Reading(model) for name, model in models.items()})
    mapped, cell_km = drawn_thresholds(DEFAULT_THRESHOLDS_DBZ), archive.grid.cell_km
    block = block_of(archive.grid.shape, cell_km)
    leads = archive.step * np.arange(1, LEADS + 1)
    taken = {name: np.zeros((nowcasts + 1, 2)) for name in names}
    newest = archive.times[np.linspace(LEADS, len(archive.times) - LEADS - 1, nowcasts).astype(int)]
    for turn, time_of in enumerate([newest[0], *newest]):  # the first to warm up
        held = np.isin(time_of + leads, archive.times)
        truth = read_truth(archive, time_of + leads).values if held.any() else None
        for name, model in models.items():
            began = time.process_time()
            coming = forecast_with_past(archive, model, time_of, leads).forecast
            made = time.process_time()
            if truth is not None:
                PeriodScores(DEFAULT_THRESHOLDS_DBZ, scores, cell_km, mapped, block).add(coming, truth, 0.0)
            taken[name][turn] = made - began, time.process_time() - made
    means = {name: seconds[1:].mean(axis=0) for name, seconds in taken.items()}
    means["all"] = np.sum(list(means.values()), axis=0)
    return [
        ["model", "forecast s", "scoring s", "scoring / forecast"],
        *([name, f"{f:.3f}", f"{s:.3f}", f"{s / f:.1%}"] for name, (f, s) in means.items()),
    ]


if __name__ == "__main__":
    main()
