"""The page of a running service: newest nowcast, its age, running skill, state. Static HTML and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nowcast.report.coastlines import CREDIT
from nowcast.report.content import Picture
from nowcast.report.palettes import SAFE, palette_of
from nowcast.report.rendering import render


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
    pictures: Sequence[Picture]
    """Frames of the loop, in order."""
    skill_header: Sequence[str]
    skill: Sequence[Sequence[str]]
    reference_time: str
    """ISO 8601 time of the observation that the nowcast starts from."""
    downloads: Sequence[tuple[str, str]]
    """Label and path relative to the page."""
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
    palette: str = SAFE
    """That of the pictures."""


def render_service_page(page: ServicePage) -> str:
    """The page as HTML text; any web server (or none) can show it."""
    frames = [picture._asdict() for picture in page.pictures]
    legend = palette_of(name=page.palette).as_data()
    return render("service.html", page=page, frames=frames, palette=legend, credit=CREDIT)
