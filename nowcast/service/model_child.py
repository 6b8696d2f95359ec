"""The process a model runs in: loads the model at once, then waits for the one request it answers.

Why before the request: loading takes seconds in which the cycle takes in the files. Why a process: what
hangs, crashes or eats the memory here is killed, and the cycle goes on without it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nowcast.core.errors import NowcastError

_PR_SET_PDEATHSIG = 1
_BYTES_PER_GB = 2**30


def main(arguments: Sequence[str]) -> int:
    """Load the model ``MODEL``, then forecast what one line of JSON on standard input asks for.

    Arguments: MODEL, its settings as JSON, the parent's process id, the most memory in GB (0 for no
    limit). The request has ``archive``, ``issued``, ``leads`` and ``target``; no request ends the process.
    """
    model, settings, parent, memory_gb = arguments
    _bind(int(parent), float(memory_gb))
    try:
        return _answer(model, json.loads(settings))
    except (NowcastError, MemoryError) as error:
        print(str(error) or "out of memory", file=sys.stderr)
        return 2


def _bind(parent: int, memory_gb: float) -> None:
    """End with the parent, however it ends; be the first to go when the machine's memory is full."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)
    with contextlib.suppress(OSError):  # not permitted everywhere; then the kernel chooses
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if memory_gb > 0:
        most = int(memory_gb * _BYTES_PER_GB)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _answer(model: str, settings: dict[str, Any]) -> int:
    import numpy as np

    from nowcast.archive.reader import Archive
    from nowcast.core.times import parse_time
    from nowcast.forecasters.catalog import build_forecaster
    from nowcast.forecasters.issue import past_times
    from nowcast.products.cf_netcdf import write_forecast

    forecaster = build_forecaster(model, settings)
    line = sys.stdin.readline()
    if not line:
        return 0
    request = json.loads(line)
    archive = Archive.open(request["archive"])
    times = past_times(archive, parse_time(request["issued"]), forecaster.needs.past)
    observed = archive.frames(times).compute(scheduler="synchronous")
    forecast = forecaster.forecast(observed, archive.step * np.arange(1, request["leads"] + 1))
    write_forecast(Path(request["target"]), forecast, forecaster.describe())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
