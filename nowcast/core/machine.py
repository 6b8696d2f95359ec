"""What this machine has, as the system tells it: cores and quota, memory, CPU, free space. No torch."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_PROC = Path("/proc")
_GB = 1e9


def usable_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def core_quota(cgroup: Path = _CGROUP) -> float | None:
    """The cores that a container's share of time amounts to; None where there is no limit, or none is told."""
    limit, _, period = _first_line(cgroup / "cpu.max").partition(" ")
    if not limit:
        limit, period = (_first_line(cgroup / "cpu" / f"cpu.cfs_{one}_us") for one in ("quota", "period"))
    if not limit.isdecimal() or not period.isdecimal() or int(period) == 0:
        return None
    return int(limit) / int(period)


def memory_gb(proc: Path = _PROC, cgroup: Path = _CGROUP) -> tuple[float, float] | None:
    """All memory and what is available of it, in GB, a container's limit taken in; None where nothing tells."""
    try:
        lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
        known = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        total, free = known["MemTotal"], known["MemAvailable"]
    except (OSError, LookupError, ValueError):
        return None
    limit, used = _first_line(cgroup / "memory.max"), _first_line(cgroup / "memory.current")
    if limit.isdecimal() and int(limit) < total:
        total = int(limit)
        free = min(free, total - int(used) if used.isdecimal() else total)
    return total / _GB, max(free, 0) / _GB


def cpu_name(proc: Path = _PROC) -> str:
    """What the CPU calls itself."""
    try:
        lines = (proc / "cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(named, "") or platform.processor() or platform.machine() or "unknown"


def free_gb(path: Path) -> tuple[float, bool]:
    """Free space in GB where a path lies or would lie, and whether this user may write there."""
    folder = next(place for place in (path.absolute(), *path.absolute().parents) if place.is_dir())
    return shutil.disk_usage(folder).free / _GB, os.access(folder, os.W_OK | os.X_OK)


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").split("\n", 1)[0].strip()
    except (OSError, ValueError):
        return ""
