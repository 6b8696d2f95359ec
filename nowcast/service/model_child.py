"""The process a model runs in: loads the model at once, then waits for the one request it answers.

Why before the request: loading takes seconds in which the cycle takes in the files. Why a process: what
hangs, crashes or eats the memory here is killed, and the cycle goes on without it.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from nowcast.core.errors import NowcastError, printable
from nowcast.core.processes import end_with_parent
from nowcast.core.times import minutes

if TYPE_CHECKING:
    from nowcast.forecasters.base import Forecaster
    from nowcast.models.device import Device

_BYTES_PER_GB = 2**30
STEP = "step_seconds"
"""Name of the file with the step of the model, once it is loaded."""
NOTES = "notes"
"""Name of the file with a line for each thing that was left out."""
FORECAST_FILE = "nowcast.nc"
"""Name of the forecast file, here and where it is published."""


def main(arguments: Sequence[str]) -> int:
    """Load the model ``MODEL``, then forecast what one line of JSON on standard input asks for.

    Arguments: MODEL, its settings as JSON, the parent's process id, the most memory in GB (0 for no
    limit), a file for the step of the model once it is loaded, the seconds between two frames of the archive,
    by which a system chooses its network (0: not known yet, so the model is loaded when the archive that the
    request names can tell), the device that a network forecasts on. The request has ``archive``,
    ``reference_time``, ``settings`` (of the service, as plain values) and ``folder``, which gets the forecast
    file first, then what is said of places and warnings, and ``NOTES`` with a line for all that was left out;
    no request ends the process.
    """
    model, settings, parent, memory_gb, step_file, archive_step, device = arguments
    _bind(int(parent))
    try:
        asked = _Model(model, json.loads(settings), cast("Device", device), Path(step_file))
        return _answer(asked, float(memory_gb), int(archive_step))
    except (NowcastError, MemoryError) as error:
        print(str(error) or "out of memory", file=sys.stderr)
        return 2


def _bind(parent: int) -> None:
    """End with the parent, however it ends; be the first to go when the machine's memory is full."""
    end_with_parent(parent)
    with contextlib.suppress(OSError):  # not permitted everywhere; then the kernel chooses
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _limit(memory_gb: float) -> None:
    """Bound the address space, once libraries are loaded: OpenBLAS hangs where its start is refused memory."""
    if memory_gb > 0:
        most = int(memory_gb * _BYTES_PER_GB)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


class _Model(NamedTuple):
    """What is to be loaded."""

    name: str
    settings: dict[str, Any]
    device: Device
    step_file: Path
    """Where the cycle finds the step of its frames."""


def _load(model: _Model, archive_seconds: int) -> Forecaster:
    """Load the model for frames so far apart, and leave the step of its own frames where the cycle finds it."""
    from nowcast.core.files import whole_file
    from nowcast.forecasters.catalog import build_forecaster

    forecaster = build_forecaster(
        model.name, model.settings, np.timedelta64(archive_seconds, "s"), model.device
    )
    step = forecaster.needs.step
    if step is not None:
        with whole_file(model.step_file) as part:
            part.write_text(str(step.astype("timedelta64[s]").astype(int)), encoding="ascii")
    return forecaster


def _answer(model: _Model, memory_gb: float, archive_seconds: int) -> int:
    from nowcast.archive.reader import Archive
    from nowcast.core.settings import build
    from nowcast.core.times import parse_time
    from nowcast.products.cf_netcdf import write_forecast
    from nowcast.service.answers import write_answers
    from nowcast.service.making import make_forecast
    from nowcast.service.settings import ServiceSettings

    _limit(memory_gb)
    forecaster = _load(model, archive_seconds) if archive_seconds else None
    line = sys.stdin.readline()
    if not line:
        return 0
    request = json.loads(line)
    archive, folder = Archive.open(request["archive"]), Path(request["folder"])
    if forecaster is None:
        forecaster = _load(model, round(minutes(archive.step) * 60))
    asked = build(ServiceSettings, request["settings"])
    with (folder / NOTES).open("a", encoding="utf-8") as notes:

        def note(text: str) -> None:
            print(printable(text), file=notes, flush=True)

        start = parse_time(request["reference_time"])
        found = make_forecast(asked, archive, forecaster, start, asked.lead_times, note)
        write_forecast(folder / FORECAST_FILE, found)
        write_answers(folder, asked, archive, found, note)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
