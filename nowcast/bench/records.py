"""What a benchmark has found, one small file an entry: it is read again, so nothing is computed twice."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nowcast.bench.costs import Costs
from nowcast.bench.details import Details
from nowcast.bench.scoring import Pixels
from nowcast.core.errors import SettingsError
from nowcast.core.files import whole_file
from nowcast.core.settings import build, plain


@dataclass(frozen=True)
class Record:
    """One entry, scored."""

    row: str
    seed: int | None
    hash: str
    """Of the configuration, see `nowcast.bench.entries.Entry`."""
    train_data: str
    """Fingerprint of the training data; empty where nothing was trained."""
    test_data: str
    """Fingerprint of the test data."""
    test_clips: int
    commit: str
    """Of the program that trained it, or, where nothing was trained here, that scored it."""
    checkpoint: str
    """First 12 digits of its SHA-256; empty without one."""
    iterations: int
    train_seconds: float
    scores: dict[str, tuple[float | None, ...]]
    """A value a lead time; None is not a number."""
    not_computed: dict[str, str]
    """Name of a score -> why."""
    draws: str = ""
    """Which futures of a stochastic network were scored, ``best of 100``; empty where there is one."""
    failed: str = ""
    """Why its forecasts cannot be scored at all; empty if they can."""

    def values(self, name: str) -> list[float]:
        """The values of a score over lead time; none if it was not computed."""
        return [math.nan if value is None else value for value in self.scores.get(name, [])]

    def mean(self, name: str) -> float:
        """The mean over lead times, NaN if there is none."""
        return finite_mean(self.values(name))

    def over(self, name: str, leads: slice) -> float:
        """The mean over some lead times, NaN for scores of whole videos."""
        values = self.values(name)
        return finite_mean(values[leads]) if len(values) > 1 else math.nan

    def late(self, name: str) -> float:
        """The mean over the last third of the lead times; NaN for scores of whole videos."""
        values = self.values(name)
        return finite_mean(values[-max(1, len(values) // 3) :]) if len(values) > 1 else math.nan


class Records:
    """The folder of them.

    Args:
        folder: made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def get(self, key: str) -> Record | None:
        """The record of an entry; None if there is none, or none that can be read."""
        try:
            return build(Record, json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, SettingsError):
            return None

    def put(self, key: str, record: Record, frames: dict[int, Pixels], details: Details | None = None) -> None:
        """Keep an entry and what its pictures show; the record comes last, so it never lacks them."""
        arrays = {f"clip_{n}": part for n, part in frames.items()} | (details or {})
        with whole_file(self.folder / f"{key}.npz") as temporary, temporary.open("wb") as handle:
            np.savez_compressed(handle, **arrays)  # type: ignore[arg-type]
        _write(self.folder / f"{key}.json", plain(record))

    def frames(self, key: str) -> dict[int, Pixels]:
        """The forecasts kept with an entry, by number of the clip; none if they cannot be read."""
        return {int(n.removeprefix("clip_")): a for n, a in self._arrays(key).items() if n.startswith("clip_")}

    def details(self, key: str) -> Details:
        """What else is kept with an entry; none if it cannot be read."""
        return {n: a for n, a in self._arrays(key).items() if not n.startswith("clip_")}

    def _arrays(self, key: str) -> Details:
        try:
            with (self.folder / f"{key}.npz").open("rb") as handle:
                stored = np.load(handle, allow_pickle=False)
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
            return {}

    def costs(self, row: str, about: Any) -> Costs | None:
        """The costs of a row if they were measured of just this (network, sizes, machine)."""
        try:
            found = json.loads((self.folder / f"{row}.costs.json").read_text(encoding="utf-8"))
            return build(Costs, found["costs"]) if found["about"] == _digest(about) else None
        except (OSError, ValueError, KeyError, TypeError, SettingsError):
            return None

    def put_costs(self, row: str, about: Any, costs: Costs) -> None:
        """Keep the costs of a row."""
        _write(self.folder / f"{row}.costs.json", {"about": _digest(about), "costs": plain(costs)})


def as_json(values: Sequence[float]) -> tuple[float | None, ...]:
    """Values as JSON can hold them."""
    return tuple(value if math.isfinite(value) else None for value in values)


def finite_mean(values: Sequence[float]) -> float:
    """Return the mean of what is finite, NaN if nothing is."""
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def _digest(about: Any) -> str:
    return hashlib.sha256(json.dumps(plain(about), sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, content: Any) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
