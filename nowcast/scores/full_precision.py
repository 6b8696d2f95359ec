"""Full float32 for networks inside a score, whatever the training around it has switched on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@contextlib.contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Leave out gradients, autocast and the 10-bit mantissa (TF32) of accelerators' convolutions.

    Why: each moves a distance of features in the fourth digit, and so a score would tell how it was computed.
    """
    import torch

    with (
        torch.inference_mode(),
        torch.autocast(device.type, enabled=False),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
    ):
        yield
