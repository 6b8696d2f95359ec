"""The page of a running service: its newest nowcast on a map, with age, state, warnings and running skill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nowcast.report.viewer.page import PageParts, render_parts


class WarningLine(NamedTuple):
    """One warning as the page shows it."""

    text: str
    record: str
    """What came of it so far."""
    raised: bool
    until: str = ""
    """When its period is over, ISO 8601; the page takes it down then."""


@dataclass(frozen=True)
class ServicePage:
    """Everything the page shows, as plain text."""

    title: str
    state: str
    healthy: bool
    complaints: Sequence[str]
    metadata: Mapping[str, str]
    skill_header: Sequence[str]
    skill: Sequence[Sequence[str]]
    reference_time: str
    """ISO 8601 time of the observation that the nowcast starts from."""
    downloads: Sequence[tuple[str, str]]
    """Label and path relative to the page."""
    files: Sequence[tuple[str, str]] = ()
    """The same of files that stand folded away."""
    shown: PageParts | None = None
    """The newest nowcast on its map; None before there is one."""
    age: str = ""
    """Age of that observation when the page was made."""
    stale_minutes: float | None = None
    """The page counts the age on by the visitor's clock and calls itself out of date beyond this; None
    keeps ``age``, for a service whose clock is not the visitor's."""
    notice: str = ""
    """Stands above everything else."""
    warnings: Sequence[WarningLine] = ()
    places_header: Sequence[str] = ()
    places: Sequence[Sequence[str]] = ()
    """What the nowcast says of places and areas, a row each."""
    notes: Sequence[str] = ()
    """What one must know of the nowcast, a line each."""


def render_service_page(page: ServicePage) -> str:
    """The page as HTML text; any web server (or none) can show it."""
    return render_parts(page.shown, "viewer/service.html", ("service",), page=page)
