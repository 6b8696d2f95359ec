"""What it costs to score one nowcast of 24 members, 10 lead times and 479 x 617 cells, in seconds of one core.

    OMP_NUM_THREADS=1 python scripts/benchmark_scores.py [--members 24] [--cells 479 617] [--repeats 3]

Members are smooth random fields; about two cells in three have an echo. The least of the repeats counts.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.ndimage import gaussian_filter

from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.text_table import text_table
from nowcast.scores.catalog import SCORE_GROUPS, build_metrics
from nowcast.scores.evaluate import Tally

THRESHOLDS = [10.0, 20.0, 30.0, 40.0, 45.0]
LEADS = 10


def main() -> None:
    """Score the same fields by each group of scores, and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=24)
    parser.add_argument("--cells", type=int, nargs=2, default=[479, 617])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
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


if __name__ == "__main__":
    main()
