"""What a forecast costs on this machine: size, work, time and memory of a network."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nowcast.bench.draws import Forecast
from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import SequenceModel
from nowcast.models.counts import count
from nowcast.models.cpu.fast import fast
from nowcast.models.cpu.peak_memory import peak_forecast_mb
from nowcast.models.lagrangian.wrapper import LagrangianModel
from nowcast.models.padding import AnySize

_BATCH = 8
_LEAST_SECONDS, _FEWEST, _MOST = 1.0, 3, 30
_ADVECTED = "work and memory of the optical flow and of advecting frames along it are not counted"


@dataclass(frozen=True)
class Costs:
    """The costs of forecasting one sequence."""

    parameters: int
    """Numbers that training moves."""
    multiply_accumulates: int | None
    """Of one sequence, see `nowcast.models.counts`; None where not all of it can be counted."""
    seconds: float
    """Median of a forecast at batch 1."""
    frames_per_second: float
    """Frames forecast in a second, 8 sequences at a time."""
    memory_mb: float | None
    """Peak above the weights at batch 1, in 10^6 bytes; None where the machine does not tell."""
    machine: str
    """What it was measured on."""
    uncounted: str = ""
    """Why work and memory are None, for a network of which only a part could be counted; else empty."""


@dataclass(frozen=True)
class Sequences:
    """The shape of what is forecast."""

    past: int
    steps: int
    size: tuple[int, int]
    channels: int


def measure(
    name: str, settings: Mapping[str, Any], network: SequenceModel, shape: Sequences, device: torch.device
) -> Costs:
    """Count and time one network; on a CPU the fast copy is timed, which is what forecasts.

    Args:
        name: of the network in the catalog.
        settings: of that network.
        network: with its weights, on ``device``.
        shape: of the sequences.
        device: where it is timed.
    """
    whole = replace(shape, size=_whole(shape.size, network))
    counted = count(name, settings, whole.past, whole.steps, whole.size, whole.channels)
    alone, rate = _times(AnySize(fast(network) if device.type == "cpu" else network), shape, device)
    if isinstance(network, LagrangianModel):
        return Costs(counted.parameters, None, alone, rate, None, machine_of(device), _ADVECTED)
    try:
        memory = peak_forecast_mb(
            name, settings, whole.past, whole.steps, whole.size, whole.channels, 1, device.type
        )
    except SettingsError:
        memory = None
    return Costs(counted.parameters, counted.multiply_accumulates, alone, rate, memory, machine_of(device))


def _times(forecast: Forecast, shape: Sequences, device: torch.device) -> tuple[float, float]:
    frames = torch.rand(_BATCH, shape.past, shape.channels, *shape.size, device=device)
    together = _median(forecast, frames, shape.steps)
    return _median(forecast, frames[:1], shape.steps), _BATCH * shape.steps / together


def device_of(accelerator: str) -> torch.device:
    """The device that scores and times, by the name that training gives it.

    Raises:
        SettingsError: a GPU that is not there.
    """
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise SettingsError(complain("training.accelerator", accelerator, "a GPU on this machine", "take auto"))
    return torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")


def machine_of(device: torch.device) -> str:
    """Say what times are measured on: the GPU, or how many threads of the CPU."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}"


def _median(forecast: Forecast, past: Tensor, steps: int) -> float:
    """Time a forecast: at least a second and three calls after one to warm up."""
    seconds: list[float] = []
    with torch.inference_mode():
        for number in range(_MOST + 1):
            _wait(past.device)
            begun = time.perf_counter()
            forecast(past, steps)
            _wait(past.device)
            if number:
                seconds.append(time.perf_counter() - begun)
            if len(seconds) >= _FEWEST and sum(seconds) >= _LEAST_SECONDS:
                break
    return statistics.median(seconds)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _whole(size: tuple[int, int], network: SequenceModel) -> tuple[int, int]:
    """The size after padding to what the network takes."""
    rows, columns = (-(-side // of) * of for side, of in zip(size, network.multiple_of, strict=True))
    return rows, columns
