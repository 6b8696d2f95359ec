"""Pairs of dBZ arrays as every metric takes them: numpy, torch or lazy (dask, xarray), one code for all.

Dimensions: S lead times, H rows, W columns; further axes in front (a batch) are pooled like pixels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import NowcastError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class ScoreError(NowcastError):
    """A pair of arrays or a parameter that cannot be scored."""


class Pair(NamedTuple):
    """Forecast and observed of one shape (..., S, H, W), and the module whose functions they obey."""

    forecast: Any
    observed: Any
    xp: Any


def pair(forecast: Any, observed: Any) -> Pair:
    """Both without labels and masks, of one shape; what a mask hides becomes NaN, which is not observed.

    Why no alignment by label: a forecast is labelled by lead time and an observed field by time; the
    caller has put the two in the same order.

    Raises:
        ScoreError: shapes that differ, fewer than three axes, or a tensor paired with an array.
    """
    forecast, observed = plain(forecast), plain(observed)
    if tuple(forecast.shape) != tuple(observed.shape) or len(forecast.shape) < 3:
        raise ScoreError(
            f"scores: got a forecast of shape {tuple(forecast.shape)} and an observed of "
            f"{tuple(observed.shape)}, expected one shape (..., lead time, y, x) for both"
        )
    tensors = [_is_tensor(a) for a in (forecast, observed)]
    if any(tensors) and not all(tensors):
        raise ScoreError("scores: got a tensor and an array, expected two of one kind")
    return Pair(forecast, observed, sys.modules["torch"] if tensors[0] else np)


def plain(values: Any) -> Any:
    """The array without labels; what a mask hides becomes NaN."""
    values = values.data if _is_labelled(values) else values
    if isinstance(getattr(values, "_meta", values), np.ma.MaskedArray):
        wide = values.astype(np.result_type(values.dtype, np.float32))
        lazy = hasattr(values, "dask")
        return sys.modules["dask.array"].ma.filled(wide, np.nan) if lazy else wide.filled(np.nan)
    return values


def bounded(both: Pair, low_dbz: float, high_dbz: float | None = None) -> tuple[Any, Any, Any]:
    """Value no echo: clip both to [low, high] dBZ in float64; what is NaN becomes ``low_dbz``.

    Returns:
        forecast, observed, and a bool array that is True where the pixel was observed.
    """
    forecast, observed = (_bound(a, both.xp, low_dbz, high_dbz) for a in both[:2])
    return forecast, observed, ~both.xp.isnan(both.observed)


def reaches(values: Any, threshold: float) -> Any:
    """True where values are at or above a threshold, both as float32; NaN reaches none.

    Why one type: fields are float32, and 20.3 as float32 lies below 20.3 as float64, so the same field
    read as float64 would otherwise lose its events.
    """
    narrow = values.float() if _is_tensor(values) else values.astype(np.float32, copy=False)
    return narrow >= float(np.float32(threshold))


def per_lead(values: Any, xp: Any) -> Any:
    """Add up over everything but lead time: (..., S, H, W) -> (S,), exact in int64 or in float64."""
    axes = tuple(i for i in range(len(values.shape)) if i != len(values.shape) - 3)
    kind = xp.int64 if values.dtype == xp.bool or "int" in str(values.dtype) else xp.float64
    return values.sum(axis=axes, dtype=kind)


def at_hand(both: Pair) -> bool:
    """Whether both are arrays of numpy, of which frame after frame is counted faster than all at once."""
    return type(both.forecast) is type(both.observed) is np.ndarray


def count_frames(values: Any) -> Integers:
    """How many pixels of each frame are True: (N, H, W) -> (N,); a count along axes is several times slower."""
    return np.array([np.count_nonzero(frame) for frame in values], np.int64)


def ratio(above: Any, below: Any) -> Any:
    """The quotient, NaN (never a warning, never infinity) where ``below`` is 0."""
    if _is_tensor(above):
        torch = sys.modules["torch"]
        none = below == 0
        return torch.where(none, torch.nan, above.to(torch.float64) / torch.where(none, 1, below))
    none = below == 0
    return np.where(none, np.nan, above / np.where(none, 1, below))


def choose(condition: Any, yes: Any, no: Any) -> Any:
    """``yes`` where the condition holds, else ``no``: element by element, arrays and tensors alike."""
    where = sys.modules["torch"].where if _is_tensor(condition) else np.where
    return where(condition, yes, no)


def largest(values: Any) -> Any:
    """The largest along the last axis, halved until one is left: arrays and tensors, lazy or empty."""
    while (count := values.shape[-1]) > 1:
        half = (count + 1) // 2
        first, last = values[..., :half], values[..., count - half :]
        values = choose(last > first, last, first)
    return values[..., 0]


def by_frames(function: Callable[..., Any], both: Pair, parts: int) -> list[Any]:
    """Run a numpy function on whole frames of a pair and keep lazy arrays lazy.

    Why: windows and neighbours cross the borders of chunks, so lazy frames are joined in y and x (and
    only there) first. Tensors are read through numpy, on the CPU.

    Args:
        function: takes forecast and observed (N, H, W), returns ``parts`` sums stacked as (parts, N).
        both: the pair.
        parts: how many sums it returns.

    Returns:
        ``parts`` arrays (S,) of the kind that was passed in; 0 where there is no pixel at all.
    """
    return list(frame_sums(function, both, parts))


def frame_sums(function: Callable[..., Any], both: Pair, parts: int) -> Any:
    """The same as `by_frames` in one array (parts, S), for functions of many sums."""
    if 0 in both.forecast.shape:
        none = per_lead(both.observed, both.xp)[None]
        return none.expand(parts, -1) if _is_tensor(none) else none * np.ones((parts, 1))
    if _is_tensor(both.forecast):
        found = _stacked(function, *(a.detach().cpu().numpy() for a in both[:2]))
        return sys.modules["torch"].as_tensor(found, device=both.observed.device)
    if hasattr(both.forecast, "dask") or hasattr(both.observed, "dask"):
        return _lazily(function, both, parts)
    return _stacked(function, both.forecast, both.observed)


def as_tensors(arrays: Any, like: Any) -> list[Any]:
    """Arrays as tensors on the device of another."""
    torch = sys.modules["torch"]
    return [torch.as_tensor(array, device=like.device) for array in arrays]


def _stacked(function: Callable[..., Any], forecast: Any, observed: Any) -> Any:
    """Pool the axes in front of lead time: (parts, S). One frame after the other: copies stay in the cache."""
    s, h, w = forecast.shape[-3:]
    frames = zip(forecast.reshape(-1, 1, h, w), observed.reshape(-1, 1, h, w), strict=True)
    found = np.concatenate([function(*frame) for frame in frames], axis=1)
    return found.reshape(len(found), -1, s).sum(axis=1)


def _lazily(function: Callable[..., Any], both: Pair, parts: int) -> Any:
    da: Any = sys.modules["dask.array"]  # whoever passes a lazy array has imported it
    h, w = both.forecast.shape[-2:]
    chunks = {-2: -1, -1: -1}
    lazy = [da.asarray(a).rechunk({a.ndim + k: v for k, v in chunks.items()}) for a in both[:2]]
    lazy = [a.reshape(-1, h, w) for a in lazy]
    lazy[1] = lazy[1].rechunk(lazy[0].chunks)
    found = da.map_blocks(
        function, *lazy, dtype=np.float64, drop_axis=(1, 2), new_axis=0, chunks=((parts,), lazy[0].chunks[0])
    )
    return found.reshape(parts, -1, both.forecast.shape[-3]).sum(axis=1)


def _bound(values: Any, xp: Any, low: float, high: float | None) -> Any:
    if type(values) is np.ndarray:  # two passes over one copy; fmax takes the number where one is NaN
        wide = np.fmax(values, low, dtype=np.float64)
        return wide if high is None else np.minimum(wide, high, out=wide)
    wide = values.to(xp.float64) if _is_tensor(values) else values.astype(np.float64)
    return xp.where(xp.isnan(wide), low, wide.clip(low, high))


def _is_tensor(values: Any) -> bool:
    return type(values).__module__.partition(".")[0] == "torch"


def _is_labelled(values: Any) -> bool:
    return type(values).__module__.partition(".")[0] == "xarray"
