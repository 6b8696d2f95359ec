"""The device that networks forecast on: asked for by name, found and named here alone."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Literal

from nowcast.core.errors import SettingsError, complain

LOG = logging.getLogger(__name__)
Device = Literal["cpu", "cuda", "auto"]
"""What can be asked for; ``auto`` is the GPU where there is one, else the CPU."""
Found = Literal["cpu", "cuda"]
_BYTES_PER_GB = 1e9


def choose_device(asked: Device, what: str = "device") -> Found:
    """The device that was asked for.

    ``cuda`` is the first GPU that CUDA_VISIBLE_DEVICES leaves in sight. Where ``auto`` finds none, one line of
    the log says why: on a CPU numbers differ in the fifth digit, and a forecast takes longer.

    Args:
        asked: ``cpu``, ``cuda`` or ``auto``.
        what: the setting that asks, for messages.

    Raises:
        SettingsError: ``cuda`` where torch can use no GPU.
    """
    if asked == "cpu":
        return "cpu"
    missing = why_no_gpu()
    if not missing:
        return "cuda"
    if asked == "auto":
        LOG.warning("%s: auto: %s, computing on the CPU", what, missing)
        return "cpu"
    raise SettingsError(
        complain(
            what,
            f"cuda where {missing}",
            "a GPU that torch can use",
            "see 'nowcast doctor', or give auto or cpu",
        )
    )


def why_no_gpu() -> str:
    """Why torch can use no GPU here; empty where it can."""
    import torch

    if torch.version.cuda is None:
        return "torch is built for the CPU alone"
    return "" if torch.cuda.is_available() else "torch sees no GPU"


def gpus() -> list[tuple[str, float]]:
    """The GPUs that torch can compute on: name and memory in GB."""
    import torch

    if why_no_gpu():
        return []
    found = (torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count()))
    return [(str(one.name), one.total_memory / _BYTES_PER_GB) for one in found]


def device_name(found: Found) -> str:
    """What a forecast file calls a device: ``CPU``, or the name of the GPU."""
    import torch

    return "CPU" if found == "cpu" else str(torch.cuda.get_device_name())


def free_gpu_gb() -> float:
    """Memory of the GPU in GB that this process can still take: what nobody has, and what it keeps unused."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return float(free + kept) / _BYTES_PER_GB


@contextlib.contextmanager
def whole_mantissa() -> Iterator[None]:
    """Within, convolutions in float32 on a GPU keep all 23 bits: by default torch rounds to 10 (TF32)."""
    import torch

    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
