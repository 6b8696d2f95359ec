"""Networks of a size that can be: counted on torch's device without memory before any memory is taken.

Why: settings come from files. ``hidden: [1000000, 1000000]`` would ask for 144 terabytes, and a hundred
thousand layers take minutes to make, whatever their size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from nowcast.core.errors import SettingsError

N = TypeVar("N", bound=nn.Module)
MOST_TENSORS = 20_000
MOST_NUMBERS = 2**31
"""Of one network: 8 GB in float32."""
_TOO_LARGE = ("overflow", "allocate memory", "out of memory", "maximum allowed", "too large")


def build_without_memory(
    make: Callable[[], N], most_tensors: int = MOST_TENSORS, most_numbers: int = MOST_NUMBERS
) -> N:
    """Return what ``make`` builds with tensors that have a shape and no memory.

    Raises:
        SettingsError: more parameters than allowed; found before they take memory, or long.
    """
    limit = _limited(most_tensors, most_numbers)
    with torch.random.fork_rng(devices=[]), torch.device("meta"), limit, _told():
        return make()


def build_within_memory(make: Callable[[], N]) -> N:
    """Return what ``make`` builds, once its size is known to be one that can be.

    Raises:
        SettingsError: as `build_without_memory`, or this machine has not so much memory.
    """
    if torch.empty(0).device.type != "meta":
        build_without_memory(make)
    with _told():
        return make()


@contextmanager
def _limited(most_tensors: int, most_numbers: int) -> Iterator[None]:
    tensors = numbers = 0

    def count(module: nn.Module, name: str, parameter: Any) -> None:
        nonlocal tensors, numbers
        if parameter is None:
            return
        tensors, numbers = tensors + 1, numbers + parameter.numel()
        if tensors > most_tensors or numbers > most_numbers:
            raise SettingsError(
                f"model.settings: got a network of more than {most_tensors:,} tensors or {most_numbers:,} "
                "numbers, expected a smaller one; take fewer or narrower layers"
            )

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _told() -> Iterator[None]:
    """Turn what torch and Python say of a size that cannot be into one line."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, OverflowError, MemoryError) as error:
        if not isinstance(error, (OverflowError, MemoryError)) and not any(
            words in str(error).lower() for words in _TOO_LARGE
        ):
            raise
        raise SettingsError(
            "model.settings: got a network that no memory can hold, expected a smaller one; take fewer or "
            "narrower layers"
        ) from error
