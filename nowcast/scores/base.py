"""What a metric is: sums that add up over chunks, batches, ranks and years, and a value at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, cast, runtime_checkable

Sums = dict[str, Any]
"""Named arrays; two of them add up name by name. Leading axis: lead time."""


Reads = Literal["dbz", "probability", "ladder", "members"]
"""What the forecasts of a metric are: dBZ; probabilities of reaching its threshold; probabilities of several
thresholds, in front; equally likely dBZ, in front."""


@runtime_checkable
class Metric(Protocol):
    """One score with all its parameters (a frozen dataclass: its identity is its parameters)."""

    @property
    def name(self) -> str:
        """The score as ``scores.csv`` names it, for example ``csi``."""
        ...

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Count over one pair of dBZ arrays (S, H, W): numpy, torch or lazy xarray, NaN is unobserved.

        A pixel that is NaN in ``observed`` never counts; each metric states what a NaN in ``forecast`` does.
        """
        ...

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: one value a lead time (S,), NaN where nothing was counted."""
        ...


def reads(metric: Metric) -> Reads:
    """What a metric scores: its ``reads`` where it says so, else dBZ."""
    return cast(Reads, getattr(metric, "reads", "dbz"))


def add(first: Sums, second: Sums) -> Sums:
    """Add two sets of sums name by name; an empty one is neutral."""
    if not first or not second:
        return dict(first or second)
    return {name: first[name] + second[name] for name in first}
