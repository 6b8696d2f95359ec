"""Forecasts with an axis in front, of members or of thresholds, beside what was observed.

Dimensions: M members (or thresholds), S lead times, H rows, W columns, N frames (batch and lead time together);
further axes between M and S (a batch) are pooled like pixels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from nowcast.scores.arrays import Floats, Pair, ScoreError, as_tensors, pair, per_lead, plain

FrameFunction = Callable[[Any, Any], Floats]
_AT_ONCE = 2**18
"""Values of all members that are looked at together."""


def stack(forecast: Any, observed: Any) -> Pair:
    """A forecast (M, ..., S, H, W) beside what was observed (..., S, H, W); one of the same shape has M = 1.

    Raises:
        ScoreError: no members, shapes that do not belong together, or a tensor paired with an array.
    """
    forecast, observed = plain(forecast), plain(observed)
    if len(forecast.shape) <= len(observed.shape):
        both = pair(forecast, observed)
        return both._replace(forecast=both.forecast[None])
    if not forecast.shape[0]:
        raise ScoreError("scores: got no members, expected at least one in front of (..., lead time, y, x)")
    return pair(forecast[0], observed)._replace(forecast=forecast)


def by_stacks(function: FrameFunction, both: Pair, parts: int) -> list[Any]:
    """Run a numpy function on pixels with all their members and keep lazy arrays lazy.

    Tensors are read through numpy, on the CPU. A few rows of one frame at a time, whose copies stay in the
    cache of the processor: what is needed beside the arrays themselves does not grow with them.

    Args:
        function: takes members (M, h, W) and observed (h, W) of some rows, returns ``parts`` sums (parts,) that
            add up over rows.
        both: of `stack`.
        parts: how many sums it returns.

    Returns:
        ``parts`` arrays (S,) of the kind that was passed in; 0 where there is no pixel at all.
    """
    if 0 in both.observed.shape:
        return [per_lead(both.observed, both.xp)] * parts
    if both.xp is not np:
        forecast, observed = (a.detach().cpu().numpy() for a in both[:2])
        return as_tensors(_pooled(function, forecast, observed, parts), both.observed)
    if hasattr(both.forecast, "dask") or hasattr(both.observed, "dask"):
        return _lazily(function, both, parts)
    return list(_pooled(function, both.forecast, both.observed, parts))


def _pooled(function: FrameFunction, forecast: Any, observed: Any, parts: int) -> Floats:
    """Pool the axes in front of lead time: (parts, S)."""
    s, h, w = observed.shape[-3:]
    found = _frames(
        np.moveaxis(forecast, 0, -3).reshape(-1, len(forecast), h, w),
        observed.reshape(-1, h, w),
        function,
        parts,
    )
    return np.asarray(found.reshape(parts, -1, s).sum(axis=1))


def _frames(forecast: Any, observed: Any, function: FrameFunction, parts: int) -> Floats:
    """Frame by frame, some rows at a time: (N, M, H, W) and (N, H, W) become (parts, N)."""
    found = np.zeros((parts, len(observed)))
    _, members, rows, columns = forecast.shape
    strip = max(1, _AT_ONCE // (members * columns))
    for n, (stacked, frame) in enumerate(zip(forecast, observed, strict=True)):
        for first in range(0, rows, strip):
            part = slice(first, first + strip)
            found[:, n] += function(stacked[:, part], frame[part])
    return found


def _lazily(function: FrameFunction, both: Pair, parts: int) -> list[Any]:
    da: Any = sys.modules["dask.array"]  # whoever passes a lazy array has imported it
    s, h, w = both.observed.shape[-3:]
    forecast, observed = (da.asarray(a) for a in both[:2])
    forecast = da.moveaxis(forecast, 0, -3).rechunk({-3: -1, -2: -1, -1: -1})
    forecast = forecast.reshape(-1, len(both.forecast), h, w)
    observed = observed.rechunk({-2: -1, -1: -1}).reshape(-1, h, w).rechunk({0: forecast.chunks[0]})
    found = da.blockwise(
        _frames,
        "pn",
        forecast,
        "nmhw",
        observed,
        "nhw",
        function=function,
        parts=parts,
        new_axes={"p": parts},
        concatenate=True,
        dtype=np.float64,
    )
    pooled = found.reshape(parts, -1, s).sum(axis=1)
    return [pooled[i] for i in range(parts)]
