"""Folds of calibration: each day is judged by what the other days taught."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


def held_out(folds: Mapping[str, T]) -> Iterator[tuple[T, list[T]]]:
    """Go through the folds: what one counted, and what all others did; nothing where there is no other."""
    if len(folds) > 1:
        for name, judged in folds.items():
            yield judged, [other for key, other in folds.items() if key != name]
