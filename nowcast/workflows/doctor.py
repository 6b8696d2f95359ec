"""What there is to compute with, what is missing and what will be slow: `nowcast doctor` as plain values."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from nowcast.core.cache import cache_folder
from nowcast.core.errors import NowcastError, printable
from nowcast.core.files import commit
from nowcast.core.machine import core_quota, cpu_name, free_gb, memory_gb, usable_cores
from nowcast.core.packaged_configs import KINDS, config_names
from nowcast.core.version import __version__

_MODULES = {
    "jinja2": "jinja2",
    "netcdf4": "netCDF4",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
}
"""Library -> the module that it is imported as, where that is not its own name."""
_FOR_DEVELOPERS = ("dev", "docs")
_LITTLE_SPACE_GB, _LITTLE_MEMORY_GB = 5.0, 4.0
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "CUDA_VISIBLE_DEVICES", "NOWCAST_CACHE")


def examine() -> dict[str, Any]:
    """Look at package, libraries and machine.

    Returns:
        Plain values, fit for JSON; ``wrong`` are sentences about what has to be mended, ``slow`` about what
        will be slow, or may run out, and what helps.
    """
    found: dict[str, Any] = {
        "nowcast": {"version": __version__, "commit": commit(), "folder": str(Path(__file__).parents[1])},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "libraries": _libraries(),
        "extras": _extras(),
        "cpu": _cpu(),
        "gpu": _gpu(),
        "memory_gb": None if (memory := memory_gb()) is None else [round(value, 1) for value in memory],
        "environment": {name: os.environ[name] for name in _THREADS if name in os.environ},
        "disks": _disks(),
        "networks": _networks(),
        "configurations": _configurations(),
    }
    return found | {"wrong": wrong(found), "slow": slow(found)}


def _requirements() -> list[Requirement]:
    try:
        return [Requirement(text) for text in distribution("nowcast").requires or ()]
    except PackageNotFoundError:  # run from a folder, not installed: nothing tells what is required
        return []


def _libraries() -> dict[str, dict[str, str]]:
    """Every library that the package always needs: its version, and what is wrong with it, if anything."""
    needed = [r for r in _requirements() if r.marker is None or r.marker.evaluate({"extra": ""})]
    return {r.name: _library(r) for r in needed}


def _library(needed: Requirement) -> dict[str, str]:
    try:
        here = version(needed.name)
    except PackageNotFoundError:
        return {"version": "", "fault": f"missing, expected {needed.specifier}"}
    if not needed.specifier.contains(here, prereleases=True):
        return {"version": here, "fault": f"expected {needed.specifier}"}
    try:
        importlib.import_module(_MODULES.get(needed.name.lower(), needed.name.replace("-", "_")))
    except Exception as error:
        return {"version": here, "fault": f"cannot be imported ({printable(error)[:200]})"}
    return {"version": here, "fault": ""}


def _extras() -> dict[str, dict[str, str]]:
    """Extra -> its libraries with their versions, "" for one that is missing."""
    found: dict[str, dict[str, str]] = {}
    every = distribution("nowcast").metadata.get_all("Provides-Extra") or [] if _requirements() else []
    for extra in (name for name in every if name not in _FOR_DEVELOPERS):
        own = [r for r in _requirements() if r.marker is not None and r.marker.evaluate({"extra": extra})]
        found[extra] = {r.name: _version(r.name) for r in own}
    return found


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _cpu() -> dict[str, Any]:
    import torch

    from nowcast.models.cpu.capability import native_bfloat16, vector_instructions

    return {
        "name": cpu_name(),
        "cores": os.cpu_count() or 1,
        "usable_cores": usable_cores(),
        "quota_cores": core_quota(),
        "instructions": vector_instructions(),
        "native_bfloat16": native_bfloat16(),
        "threads": torch.get_num_threads(),
    }


def _gpu() -> dict[str, Any]:
    import torch

    from nowcast.models.cpu.capability import native_bfloat16
    from nowcast.models.device import gpus

    return {
        "devices": [{"name": name, "memory_gb": round(memory, 1)} for name, memory in gpus()],
        "torch_built_for": f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU alone",
        "driver": shutil.which("nvidia-smi") is not None,
        "native_bfloat16": native_bfloat16("cuda"),
    }


def _disks() -> dict[str, dict[str, Any]]:
    places = {"this folder": Path.cwd(), "cache": cache_folder(), "temporary": Path(tempfile.gettempdir())}
    found = {}
    for name, path in places.items():
        free, writable = free_gb(path)
        found[name] = {"path": str(path), "free_gb": round(free, 1), "writable": writable}
    return found


def _networks() -> dict[str, str]:
    """Networks of the package -> what is wrong with their weights, "" for nothing."""
    from nowcast.forecasters.registry import registry, weights_of

    found = {}
    for name in registry():
        try:
            weights_of(name)
            found[name] = ""
        except NowcastError as error:
            found[name] = str(error)
    return found


def _configurations() -> dict[str, int]:
    try:
        return {kind: len(config_names(kind)) for kind in KINDS}
    except NowcastError:
        return dict.fromkeys(KINDS, 0)


def wrong(found: dict[str, Any]) -> list[str]:
    """Name what has to be mended before everything works."""
    lines = [
        f"{name} {one['version']}: {one['fault']}; pip install --upgrade nowcast"
        for name, one in found["libraries"].items()
        if one["fault"]
    ]
    lines += [fault for fault in found["networks"].values() if fault]
    if not all(found["configurations"].values()):
        lines.append("the packaged configurations are not there; install the package again")
    lines += [f"{one['path']}: cannot be written" for one in found["disks"].values() if not one["writable"]]
    return lines


def slow(found: dict[str, Any]) -> list[str]:
    """Name what will be slow on this machine, or may run out, each with what helps."""
    cpu, gpu, lines = found["cpu"], found["gpu"], []
    allowed = min(cpu["usable_cores"], cpu["quota_cores"] or cpu["usable_cores"])
    if gpu["driver"] and not gpu["devices"]:
        lines.append(
            "an NVIDIA driver is here and torch cannot use a GPU (it is built for "
            f"{gpu['torch_built_for']}): install torch's CUDA build"
        )
    elif not gpu["devices"]:
        lines.append(
            "no GPU: recipes of papers (kth_*, human36m_*, tables without _small) take days; italy_*, "
            "moving_digits_* and *_small are made for two CPU cores"
        )
    if not cpu["native_bfloat16"] and not gpu["devices"]:
        lines.append("this CPU has no native bfloat16: forecasts and trainings run in float32, which is slower")
    if cpu["instructions"] in ("DEFAULT", "NO AVX"):
        lines.append("torch finds no vector instructions on this CPU: networks are slow here; take a baseline")
    if cpu["threads"] > allowed:
        lines.append(
            f"torch computes with {cpu['threads']} threads on {allowed:g} cores: set "
            f"OMP_NUM_THREADS={max(1, int(allowed))}"
        )
    elif cpu["threads"] < int(allowed):
        lines.append(
            f"torch computes with {cpu['threads']} of {int(allowed)} cores: unset OMP_NUM_THREADS for a "
            "forecast or a training at a time (workers of a command take a core each)"
        )
    if found["environment"].get("OMP_WAIT_POLICY", "").lower() == "active":
        lines.append("OMP_WAIT_POLICY=active: threads that wait by spinning are slow on shared cores; unset it")
    if found["memory_gb"] is not None and found["memory_gb"][1] < _LITTLE_MEMORY_GB:
        lines.append(f"{found['memory_gb'][1]:g} GB of memory are free: take fewer --workers")
    lines += [
        f"{one['free_gb']:g} GB are free in {one['path']} ({name}): archives and caches may not fit"
        for name, one in found["disks"].items()
        if one["free_gb"] < _LITTLE_SPACE_GB
    ]
    return lines
