"""Folds of calibration: each day is judged by what the other days taught."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import add
from typing import Protocol, TypeVar


class Additive(Protocol):
    """Counts that add up."""

    def __add__(self: T, other: T, /) -> T:
        """Pool two."""
        ...


T = TypeVar("T", bound=Additive)


def pooled(counts: Iterable[T]) -> T:
    """Pool counts; there must be some."""
    return reduce(add, counts)


def held_out(folds: Mapping[str, T]) -> Iterator[tuple[T, list[T]]]:
    """Go through the folds: what one counted, and what all others did; nothing where there is no other."""
    if len(folds) > 1:
        for name, judged in folds.items():
            yield judged, [other for key, other in folds.items() if key != name]
