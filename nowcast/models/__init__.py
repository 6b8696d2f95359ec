"""Networks on plain tensors: cells, the one loop over time, whole models and their catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nowcast.models.published import load_published

__all__ = ["load_published"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'nowcast.models' has no attribute {name!r}")
    from nowcast.models import published

    return getattr(published, name)
