"""Ways of doing one work, timed in turns, so that a busy machine slows all alike; and their peak memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

Job = Callable[[], object]
Seconds = dict[str, list[float]]


def interleaved(jobs: Mapping[str, Job], rounds: int, cpu_time: bool = False) -> Seconds:
    """Seconds (of the CPU, or of the wall clock) of each job in each round, after one round to warm up."""
    clock = time.process_time if cpu_time else time.perf_counter
    taken: Seconds = {name: [] for name in jobs}
    for turn in range(rounds + 1):
        for name, job in jobs.items():
            start = clock()
            job()
            if turn:
                taken[name].append(clock() - start)
    return taken


def times_faster(taken: Seconds, reference: str, name: str) -> float:
    """The median over rounds of the reference's time by that of another job."""
    return median(r / s for r, s in zip(taken[reference], taken[name], strict=True))


def print_peak() -> None:
    """Print the peak of this process's resident set in MB, as `peak_of` reads it.

    What Linux says of the memory itself, where it does: the peak of getrusage begins at what the process was
    forked from.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    own = next((float(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
    print(json.dumps((own or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024))


def peak_of(script: str, *arguments: str) -> float:
    """Run a script that ends with `print_peak` in a process of its own: its peak in MB."""
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))
