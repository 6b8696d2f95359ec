"""All networks in one table: size, work, time and memory of a forecast, for `benchmark_models`.

Each row is measured by its fast copy, which is what forecasts, with one thread, in two processes of its own.
One takes CPU seconds (median of up to five after one to warm up; once, cold, where a forecast takes more than
ten seconds). The other takes the peak of the resident set during a second forecast above what lies there before
it: the first one packs weights and makes kernels, which stay. There the C library gives back at once what is
freed.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from interleaved import Job

from nowcast.core.files import whole_file
from nowcast.models.catalog import MODELS
from nowcast.models.choice import ModelChoice
from nowcast.models.configuration import ModelConfiguration, read_configuration
from nowcast.models.cpu.fast import fast
from nowcast.models.cpu.peak_memory import resident_peak

FOLDER = Path(__file__).resolve().parents[1] / "configs" / "model"
BEGIN, END = "<!-- networks -->", "<!-- end of networks -->"
PAST, STEPS, SIZE, CHANNELS = 10, 10, (64, 64), 1
_LONG_SECONDS, _ENOUGH_SECONDS, _MOST = 10.0, 2.0, 5
_GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}
"""Of glibc: what is resident is what is held. By default it keeps what is freed, the more the longer."""
Measure = Callable[[Job], float]


def rows() -> dict[str, ModelConfiguration]:
    """What is compared, by the name of its file, or of the catalog where a network has none.

    A network whose only file has another length is compared with the settings of that. VPN with its PixelCNN
    decoder is left out: it computes one pixel after the other.
    """
    files = {path.stem: read_configuration(path) for path in sorted(FOLDER.glob("*.yaml"))}
    shape = (PAST, STEPS, SIZE, CHANNELS)
    found = {
        name: row
        for name, row in files.items()
        if (row.past, row.future, row.size, row.channels) == shape
        and row.model.settings.get("decoder") != "pixelcnn"
    }
    for name in sorted(set(MODELS) - {row.model.name for row in found.values()}):
        near = f"{name}_moving_mnist"  # of another length
        key, model = (near, files[near].model) if near in files else (name, ModelChoice(name))
        found[key] = ModelConfiguration(MODELS[name].title, MODELS[name].paper, model, *shape)
    return found


def measured_row(name: str, what: str) -> str:
    """Seconds or megabytes of one row as JSON."""
    torch.manual_seed(0)
    row = rows()[name]
    quick = fast(row.build().eval())
    past = torch.rand(1, row.past, row.channels, *row.size)
    with torch.inference_mode():
        return json.dumps(MEASURES[what](lambda: quick(past, row.future)))


def _megabytes(job: Job) -> float:
    job()
    return resident_peak(job)


def _seconds(job: Job) -> float:
    cold = _once(job)
    if cold > _LONG_SECONDS:
        return cold
    taken: list[float] = []
    while len(taken) < _MOST and sum(taken) < _ENOUGH_SECONDS:
        taken.append(_once(job))
    return median(taken)


def _once(job: Job) -> float:
    begun = time.process_time()
    job()
    return time.process_time() - begun


MEASURES: dict[str, Measure] = {"seconds": _seconds, "megabytes": _megabytes}
"""What is measured of a row, each in a process of its own."""


def write_table(page: Path, script: str) -> None:
    """Measure every row by calling ``script`` and put the table between the marks of the page."""
    before, mark, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        sys.exit(f"{page}: got no lines '{BEGIN}' and '{END}', expected both; put them where the table goes")
    table = "\n".join([*_head(), *(_line(name, row, script) for name, row in rows().items())])
    with whole_file(page) as file:
        file.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def _head() -> list[str]:
    return [
        f"One sequence, {PAST} -> {STEPS} frames of {SIZE[0]} x {SIZE[1]}; one thread of a CPU "
        f"({platform.machine()}, {torch.backends.cpu.get_cpu_capability()}), torch {torch.__version__}.",
        "GMAC: 10^9 multiply-accumulates of convolutions and matrix products. Seconds: CPU time of a forecast",
        "by the fast copy. MB: peak during it above what stays between forecasts (weights, packed ones, too). "
        "Written by `python scripts/benchmark_models.py --page docs/reference/networks.md`.",
        "",
        "| network | configuration | parameters (M) | GMAC | seconds | MB |",
        "|---|---|---|---|---|---|",
    ]


def _line(name: str, row: ModelConfiguration, script: str) -> str:
    taken = {what: _measured_apart(name, what, script) for what in MEASURES}
    work = row.count()
    line = (
        f"| {row.title.rpartition(', ')[0] or row.title} | {'its defaults' if name in MODELS else f'`{name}`'} "
        f"| {work.parameters / 1e6:.2f} | {work.multiply_accumulates / 1e9:.1f} "
        f"| {_two_digits(taken['seconds'])} | {_two_digits(taken['megabytes'])} |"
    )
    print(line, flush=True)
    return line


def _measured_apart(name: str, what: str, script: str) -> float:
    command = [sys.executable, script, "--threads", "1", "--row", name, what]
    env = os.environ | (_GIVEN_BACK if what == "megabytes" else {})
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return float(json.loads(done.stdout))


def _two_digits(number: float) -> str:
    if number < 0.001:
        return "< 0.001"
    return f"{number:#.2g}" if number < 10 else f"{number:.0f}"
