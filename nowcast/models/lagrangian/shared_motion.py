"""One estimate of motion for several networks that read the same past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor


class _Estimate(NamedTuple):
    settings: Any
    past: Tensor
    observed: Tensor | None
    motion: Tensor


_KEPT: ContextVar[list[_Estimate] | None] = ContextVar("nowcast_shared_motion", default=None)


@contextmanager
def shared_motion() -> Iterator[None]:
    """Within, networks with the same settings and the same past take one estimate of motion.

    What is kept is let go at the end. Estimates are those that each would have made, of the same numbers.
    """
    token = _KEPT.set([])
    try:
        yield
    finally:
        _KEPT.reset(token)


def estimated_once(
    settings: Any, past: Tensor, observed: Tensor | None, estimate: Callable[[Tensor, Tensor | None], Tensor]
) -> Tensor:
    """The motion of a past, kept from an equal one before where motion is shared; without gradients alone.

    On a GPU each estimates its own: to compare two pasts there, the CPU would have to wait for the answer.
    """
    kept = _KEPT.get()
    if kept is None or torch.is_grad_enabled() or past.is_cuda:
        return estimate(past, observed)
    for one in kept:
        if one.settings == settings and _same(one.past, past) and _same(one.observed, observed):
            return one.motion
    motion = estimate(past, observed)
    kept.append(_Estimate(settings, past, observed, motion))
    return motion


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or (one.dtype == other.dtype and torch.equal(one, other))
