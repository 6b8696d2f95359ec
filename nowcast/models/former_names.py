"""Names that parts of networks once had in the names of their tensors; weights of then go on loading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FORMER_PARTS = (
    (".cascade.together.", ".cascade.pixel_layers."),
    (".cascade.surroundings.say.", ".cascade.context_unet.head."),
    (".cascade.surroundings.", ".cascade.context_unet."),
)
"""What parts were once called -> what they are called now."""


def current_tensor_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return tensors under the names that they have today."""
    return {_current_name(str(name)): value for name, value in tensors.items()}


def _current_name(tensor: str) -> str:
    dotted = f".{tensor}"
    for former, now in _FORMER_PARTS:
        dotted = dotted.replace(former, now)
    return dotted[1:]
