"""What the diagrams of the skill page show, as plain numbers: reliability, ROC, value, performance, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class ReliabilityCurve(NamedTuple):
    """Reliability of one model at one threshold; one number a bin of probability, NaN in an empty one."""

    model: str
    threshold_dbz: float
    forecast: Sequence[float]
    """Mean probability."""
    observed: Sequence[float]
    """Frequency of the event."""
    cases: Sequence[int]
    low: Sequence[float]
    """Lower end of the consistency bar, where frequencies would lie if probabilities were reliable, or NaN."""
    high: Sequence[float]
    climatology: float
    """Frequency of the event in all cases."""


class DiagramCurve(NamedTuple):
    """Points of one model at one threshold, in order."""

    model: str
    threshold_dbz: float
    x: Sequence[float]
    y: Sequence[float]
    texts: Sequence[str] = ()
    """What is told of each point, none or one a point."""


class RankShares(NamedTuple):
    """Rank histogram of one model: each class over its share, 1 where it is flat."""

    model: str
    least_dbz: float | None
    """Only where the observed or a member reaches this; None for everywhere."""
    shares: Sequence[float]


@dataclass(frozen=True)
class Diagrams:
    """All of them; what is empty is left out of the page."""

    reliability: Sequence[ReliabilityCurve] = ()
    roc: Sequence[DiagramCurve] = ()
    """False alarm rate and hit rate."""
    value: Sequence[DiagramCurve] = ()
    """Cost/loss ratio and relative economic value."""
    performance: Sequence[DiagramCurve] = ()
    """Success ratio and probability of detection, a point a lead time."""
    ranks: Sequence[RankShares] = ()
    blocks: int = 0
    """Blocks of initialisation times that consistency bars come from; with one, pixels count as independent."""
