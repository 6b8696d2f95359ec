"""All networks in one table: size, work, time and memory of a forecast, for `benchmark_models`.

Each row is measured in a process of its own with one thread: first the peak of the resident set above the
weights, during a forecast of the plain network; then the CPU seconds of its fast copy, which is what forecasts
(median of up to five after one to warm up; once, cold, where a forecast takes more than ten seconds).
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch
from interleaved import Job

from nowcast.core.files import whole_file
from nowcast.models.catalog import MODELS
from nowcast.models.choice import ModelChoice
from nowcast.models.configuration import ModelConfiguration, read_configuration
from nowcast.models.cpu.fast import fast
from nowcast.models.cpu.peak_memory import resident_peak, warm_libraries

FOLDER = Path(__file__).resolve().parents[1] / "configs" / "model"
BEGIN, END = "<!-- networks -->", "<!-- end of networks -->"
PAST, STEPS, SIZE, CHANNELS = 10, 10, (64, 64), 1
_LONG_SECONDS, _ENOUGH_SECONDS, _MOST = 10.0, 2.0, 5


def rows() -> dict[str, ModelConfiguration]:
    """What is compared, by the name of its file, or of the catalog where a network has none.

    A network whose only file has another length is compared with the settings of that.
    """
    files = {path.stem: read_configuration(path) for path in sorted(FOLDER.glob("*.yaml"))}
    shape = (PAST, STEPS, SIZE, CHANNELS)
    found = {
        name: row for name, row in files.items() if (row.past, row.future, row.size, row.channels) == shape
    }
    for name in sorted(set(MODELS) - {row.model.name for row in found.values()}):
        near = f"{name}_moving_mnist"  # of another length
        key, model = (near, files[near].model) if near in files else (name, ModelChoice(name))
        found[key] = ModelConfiguration(MODELS[name].title, MODELS[name].paper, model, *shape)
    return found


def measured_row(name: str) -> str:
    """Seconds and megabytes of one row as JSON."""
    torch.manual_seed(0)
    warm_libraries("cpu")
    row = rows()[name]
    network = row.build().eval()
    past = torch.rand(1, row.past, row.channels, *row.size)
    with torch.inference_mode():
        memory = resident_peak(lambda: network(past, row.future))
        quick = fast(network)
        return json.dumps({"seconds": _seconds(lambda: quick(past, row.future)), "megabytes": memory})


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
        "by the fast copy. MB: peak above the weights. Written by `python scripts/benchmark_models.py --page "
        "docs/reference/networks.md`.",
        "",
        "| network | configuration | parameters (M) | GMAC | seconds | MB |",
        "|---|---|---|---|---|---|",
    ]


def _line(name: str, row: ModelConfiguration, script: str) -> str:
    command = [sys.executable, script, "--threads", "1", "--row", name]
    taken = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    work = row.count()
    line = (
        f"| {row.title.rpartition(', ')[0] or row.title} | {'its defaults' if name in MODELS else f'`{name}`'} "
        f"| {work.parameters / 1e6:.2f} | {work.multiply_accumulates / 1e9:.1f} "
        f"| {_two_digits(taken['seconds'])} | {taken['megabytes']:.0f} |"
    )
    print(line, flush=True)
    return line


def _two_digits(seconds: float) -> str:
    if seconds < 0.001:
        return "< 0.001"
    return f"{seconds:#.2g}" if seconds < 10 else f"{seconds:.0f}"
