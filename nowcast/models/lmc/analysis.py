"""Compute what the memory of LMC-Memory holds: which slots are addressed, where, and whether long and short
clips agree; `nowcast.report.memory_slots` draws it.

Dimensions: B clips, L frames, C channels, H rows, W columns, N slots, h, w rows and columns of the query map
(one place for every 16 x 16 pixels).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from nowcast.core.errors import SettingsError

Floats = npt.NDArray[np.float64]
PIXELS = 16
"""Side of the square of pixels that one place of the query map stands for."""


_NOTHING = 1e-7
"""Length of a difference of addressing vectors, in float32 sums to 1, that is rounding only."""


class AddressableMemory(Protocol):
    """An LMC-Memory, or one with a head of probabilities."""

    def address(self, frames: torch.Tensor, long: bool = False) -> torch.Tensor:
        """Addressing weights (B, N, h, w) of frames (B, L, C, H, W)."""
        ...

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """The weights of the network."""
        ...


class NamedClip(NamedTuple):
    """A clip that addresses the memory."""

    short: npt.NDArray[np.float32]
    """(T, C, H, W)"""
    long: npt.NDArray[np.float32]
    """(L, C, H, W)"""
    label: str
    """Its class: an action, a day; a clip of a class of its own gets a label of its own."""


@dataclass(frozen=True)
class Similarity:
    """Mean cosine similarity of addressing vectors at the same place, long clip against short.

    Without long clips it is that of short clips against others.
    """

    same_clip: float
    """NaN where no long clips were addressed."""
    same_class: float
    """Other clips of the same class; NaN where every clip is a class of its own."""
    other_class: float


@dataclass(frozen=True)
class MemoryAnalysis:
    """The results; arrays are indexed by slot, by clip or by class."""

    clips: int
    places: int
    """Of all clips together."""
    usage_long: Floats
    usage_short: Floats
    """(N,): mean weight of each slot; sums to 1. Of long clips NaN where none were addressed."""
    strongest: Floats
    """(N,): share of the places of short clips at which a slot stands out most (see `standing_out`)."""
    slots_in_use: float
    """Exponential of the entropy of the weights at one place, averaged: N means uniform, 1 a single slot."""
    similarity: Similarity
    similarity_centred: Similarity
    """The same after the mean over clips at each place is taken off, which all share when weights are near
    uniform, or when a place lies at the edge. Places that stay the same in all clips do not count."""
    alignment: tuple[float, float]
    """Centred similarity of a clip's long side with its own short side less that with other clips' short sides,
    mean over clips, and its standard error. NaN where no long clips were addressed."""
    classes: tuple[str, ...]
    between_classes: Floats
    """(classes, classes): centred similarity, rows long, columns short, a clip with itself left out unless
    it is alone in its class."""
    maps: npt.NDArray[np.int64]
    """(B, h, w): the slot that stands out most at each place of each short clip."""
    slot_value: Floats
    slot_change: Floats
    slot_activity: Floats
    """(N,): at the places where a slot stands out: mean of the newest frame, mean change from the first
    frame to the newest, mean absolute change from frame to frame. NaN where it never does."""


def analyse_memory(
    network: AddressableMemory, clips: Iterable[NamedClip], stored: bool = True
) -> MemoryAnalysis:
    """Address the memory with long and short clips and count; with short ones alone where ``stored`` is false.

    Why two similarities: at the published temperature all weights lie near 1 / N, and any two
    addressing vectors are almost parallel; what differs from clip to clip shows only once the mean
    is taken off.

    Raises:
        SettingsError: a network without memory, or fewer than two clips.
    """
    chosen = list(clips)
    if len(chosen) < 2:
        raise SettingsError(f"clips: got {len(chosen)}, expected two or more to compare; give more data")
    short = np.stack([_address(network, clip.short, False) for clip in chosen])
    long = np.stack([_address(network, clip.long, True) for clip in chosen]) if stored else short
    labels = [clip.label for clip in chosen]
    plain, centred = _cosines(long, short), _cosines(_centred(long), _centred(short))
    if not stored:
        for cosines in (plain, centred):
            np.fill_diagonal(cosines, np.nan)
    classes, between = _between_classes(centred, labels)
    maps = standing_out(short)
    count = long.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.sum(np.where(short > 0, short * np.log(short), 0), axis=1)
    return MemoryAnalysis(
        clips=len(chosen),
        places=int(maps.size),
        usage_long=long.mean(axis=(0, 2, 3)) if stored else np.full(count, np.nan),
        usage_short=short.mean(axis=(0, 2, 3)),
        strongest=np.bincount(maps.ravel(), minlength=count) / maps.size,
        slots_in_use=float(np.exp(entropy).mean()),
        similarity=_summary(plain, labels),
        similarity_centred=_summary(centred, labels),
        alignment=_alignment(centred),
        classes=classes,
        between_classes=between,
        maps=maps,
        **_frames_of_slots(maps, [clip.short for clip in chosen], count),
    )


def standing_out(weights: Floats) -> npt.NDArray[np.int64]:
    """Return the slot whose weight lies farthest above its own mean: (B, N, h, w) -> (B, h, w).

    Why not the largest weight: one slot is often the largest everywhere and would hide the rest.
    """
    return np.asarray(np.argmax(weights - weights.mean(axis=(0, 2, 3), keepdims=True), axis=1), np.int64)


def plain_analysis(analysis: MemoryAnalysis) -> dict[str, Any]:
    """Return all of it as plain values for JSON; what is undefined becomes None."""
    from nowcast.core.settings import plain

    return {name: _plain(value) for name, value in plain(analysis).items()}


def _address(network: AddressableMemory, frames: npt.NDArray[np.float32], long: bool) -> Floats:
    device = next(network.parameters()).device
    with torch.no_grad():
        weights = network.address(torch.from_numpy(frames)[None].to(device), long)
    return np.asarray(weights[0].cpu().numpy(), np.float64)


def _centred(weights: Floats) -> Floats:
    """The weights less their mean over clips at each place."""
    return np.asarray(weights - weights.mean(axis=0, keepdims=True), np.float64)


def _cosines(long: Floats, short: Floats) -> Floats:
    """(B, N, h, w) twice -> (B, B): mean cosine at the same place, over places where neither is 0."""
    (long, has_long), (short, has_short) = _unit(long), _unit(short)
    places = np.einsum("ahw,bhw->ab", has_long, has_short)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.einsum("anhw,bnhw->ab", long, short) / places, np.float64)


def _unit(weights: Floats) -> tuple[Floats, Floats]:
    """Vectors of length 1, and 1 where there was something to scale (else both are 0)."""
    length = np.linalg.norm(weights, axis=1)
    some = length > _NOTHING
    scaled = weights / np.where(some, length, 1)[:, None]
    return scaled * some[:, None], some.astype(np.float64)


def _summary(cosines: Floats, labels: list[str]) -> Similarity:
    names = np.array(labels)
    alike = names[:, None] == names[None, :]
    itself = np.eye(len(names), dtype=bool)
    return Similarity(_mean(cosines[itself]), _mean(cosines[alike & ~itself]), _mean(cosines[~alike]))


def _alignment(cosines: Floats) -> tuple[float, float]:
    others = np.where(np.eye(len(cosines), dtype=bool), np.nan, cosines)
    known = [row[np.isfinite(row)] for row in others]
    gained = np.diagonal(cosines) - np.array([row.mean() if row.size else np.nan for row in known])
    gained = gained[np.isfinite(gained)]
    if len(gained) < 2:
        return _mean(gained), float("nan")
    return float(gained.mean()), float(gained.std(ddof=1) / np.sqrt(len(gained)))


def _between_classes(cosines: Floats, labels: list[str]) -> tuple[tuple[str, ...], Floats]:
    classes = tuple(dict.fromkeys(labels))
    names = np.array(labels)
    table = np.full((len(classes), len(classes)), np.nan)
    for i, one in enumerate(classes):
        for j, other in enumerate(classes):
            pairs = cosines[np.ix_(names == one, names == other)]
            if i == j and len(pairs) > 1:
                pairs = pairs[~np.eye(len(pairs), dtype=bool)]
            table[i, j] = _mean(pairs)
    return classes, table


def _frames_of_slots(
    maps: npt.NDArray[np.int64], shorts: list[npt.NDArray[np.float32]], count: int
) -> dict[str, Floats]:
    found = {
        "slot_value": [_blocks(clip[-1]) for clip in shorts],
        "slot_change": [_blocks(clip[-1] - clip[0]) for clip in shorts],
        "slot_activity": [_blocks(np.abs(np.diff(clip, axis=0)).mean(axis=0)) for clip in shorts],
    }
    times = np.bincount(maps.ravel(), minlength=count)
    with np.errstate(invalid="ignore"):
        return {
            name: np.bincount(maps.ravel(), np.stack(values).ravel(), minlength=count) / times
            for name, values in found.items()
        }


def _blocks(frame: npt.NDArray[np.float32]) -> Floats:
    """(C, H, W) -> (h, w): mean over channels and over the pixels of each place."""
    height, width = frame.shape[1] // PIXELS, frame.shape[2] // PIXELS
    cut = frame[:, : height * PIXELS, : width * PIXELS].astype(np.float64)
    return np.asarray(cut.reshape(-1, height, PIXELS, width, PIXELS).mean(axis=(0, 2, 4)), np.float64)


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
