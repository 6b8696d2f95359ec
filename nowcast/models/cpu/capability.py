"""What this machine computes fast: asked once, here, by forecasts and trainings alike."""

from __future__ import annotations

import logging
from functools import cache

LOG = logging.getLogger(__name__)


@cache
def native_bfloat16(device: str = "cpu") -> bool:
    """Whether bfloat16 is multiplied natively on a device: ``cpu`` or ``cuda``.

    Elsewhere it is emulated: an iteration of training took eight times as long as in float32, and packed
    weights are refused.
    """
    import torch

    from nowcast.models.cpu.onednn import multiplies_bfloat16

    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return multiplies_bfloat16()


def bfloat16_or_say(what: str, device: str = "cpu") -> bool:
    """Whether ``what`` is computed in bfloat16 as asked for; where not, one line of the log says so."""
    if native_bfloat16(device):
        return True
    LOG.warning("%s: this %s has no native bfloat16, computing in float32", what, device.upper())
    return False


def vector_instructions() -> str:
    """The widest vector instructions that torch computes with on this CPU, such as AVX2; DEFAULT is none."""
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


@cache
def multiplications_take_the_time() -> bool:
    """Whether convolutions on this CPU take as long as their multiplications, so that fewer of them pay.

    So it is with AVX2 alone, where products of matrices (MKL) are nearly as fast as oneDNN's convolutions.
    With AVX-512 these were twice as fast as such products on the CPUs at hand.
    """
    import torch

    return vector_instructions() == "AVX2" and bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]
