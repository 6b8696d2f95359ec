"""How much memory a forecast takes above the weights, measured in a process of its own.

Run as ``python -m nowcast.models.cpu.peak_memory`` it reads one JSON request and prints one JSON answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nowcast.core.allocator import give_back_freed
from nowcast.core.errors import NowcastError, SettingsError
from nowcast.core.settings import build
from nowcast.models.catalog import find_model

_MB = 1e6
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def peak_forecast_mb(
    name: str,
    settings: Mapping[str, Any],
    past: int,
    steps: int,
    size: tuple[int, int],
    channels: int = 1,
    batch: int = 1,
    device: str = "cpu",
) -> float:
    """Measure the peak of the memory while one batch is forecast, above what lies there with the weights.

    Why a process of its own: the peak of a process never falls, and what other work has left behind
    would hide what the forecast takes. On a CPU it is the resident set (Linux), on a GPU what
    PyTorch has taken there.

    Args:
        name: in `nowcast.models.catalog.MODELS`.
        settings: of that network.
        past: frames given.
        steps: frames forecast.
        size: (H, W).
        channels: C.
        batch: B; divide by it for the memory per sample.
        device: ``cpu`` or ``cuda``.

    Returns:
        Megabytes of 10^6 bytes.

    Raises:
        SettingsError: as `build_model`, or a machine that does not tell (not Linux, no such GPU).
    """
    build(find_model(name).settings, settings, where="model.settings")
    if device == "cpu" and not os.access(_RESET, os.W_OK):
        raise SettingsError(f"memory: got {sys.platform}, expected Linux, which tells a process its peak")
    request = {
        "name": name,
        "settings": dict(settings),
        "past": past,
        "steps": steps,
        "size": list(size),
        "channels": channels,
        "batch": batch,
        "device": device,
    }
    answer = subprocess.run(
        [sys.executable, "-m", "nowcast.models.cpu.peak_memory"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found = json.loads(answer.stdout)
    except ValueError:
        found = {"error": answer.stderr.strip().splitlines()[-1:] or "no answer"}
    if "error" in found:
        raise SettingsError(f"memory of {name}: not measured ({found['error']})")
    return float(found["megabytes"])


def _measure(request: Mapping[str, Any]) -> float:
    import torch

    from nowcast.models.catalog import build_model

    device = torch.device(request["device"])
    warm_libraries(device)
    network = build_model(request["name"], request["settings"], request["channels"], tuple(request["size"]))
    network.eval().to(device)
    past = torch.rand(request["batch"], request["past"], request["channels"], *request["size"]).to(device)
    with torch.inference_mode():
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            network(past, request["steps"])
            return (torch.cuda.max_memory_allocated(device) - before) / _MB
        return resident_peak(lambda: network(past, request["steps"]))


def resident_peak(work: Callable[[], object]) -> float:
    """Megabytes (10^6 bytes) that a call takes at its peak above what is resident before it; on Linux alone.

    It tells the truth in a process that has done little else: what other work has left behind is taken first.
    What the C library keeps of it for later is given back before, where it can be asked to.
    """
    give_back_freed()
    _RESET.write_text("5")  # the peak starts anew from what is resident now
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) / _MB


def warm_libraries(device: Any) -> None:
    """Let the libraries load what any network needs, so that it is not counted as one network's."""
    import torch
    from torch import nn

    maps = torch.rand(1, 8, 2, 16, 16, device=device)
    with torch.inference_mode():
        nn.Conv3d(8, 8, 3, padding=1, device=device)(maps)
        nn.Conv2d(8, 8, 3, padding=1, device=device)(maps[:, :, 0])
        nn.ConvTranspose2d(8, 8, 3, device=device)(maps[:, :, 0])
        torch.softmax(torch.layer_norm(maps, maps.shape).tanh(), dim=1).sigmoid().exp_()


def _status(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def main() -> int:
    """Answer one request on standard input."""
    try:
        print(json.dumps({"megabytes": _measure(json.load(sys.stdin))}))
    except (NowcastError, RuntimeError) as error:
        print(json.dumps({"error": " ".join(str(error).split())}))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
