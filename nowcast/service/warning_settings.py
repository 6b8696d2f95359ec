"""What a service is told about places, warnings, and whom to tell of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from nowcast.core.errors import SettingsError, complain, printable, shown

RAIN_SUM, REFLECTIVITY, RAIN_RATE = "rain_sum", "reflectivity", "rain_rate"
UNITS = {RAIN_SUM: "mm", REFLECTIVITY: "dBZ", RAIN_RATE: "mm/h"}
_HIGHEST = {RAIN_SUM: (1e-3, 1e4), REFLECTIVITY: (-30.0, 80.0), RAIN_RATE: (1e-2, 150.0)}
_LONGEST_NAME = 100
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def within(key: str, value: float | None, low: float, high: float) -> None:
    """Refuse a number outside its range; None is in every range, NaN in none.

    Raises:
        SettingsError: naming the setting.
    """
    if value is not None and not low <= value <= high:
        raise SettingsError(
            complain(key, f"{value:g}", f"a number from {low:g} to {high:g}", "change this setting")
        )


def check_name(key: str, name: str) -> None:
    """Refuse a name that cannot be shown in one line.

    Raises:
        SettingsError: naming the setting.
    """
    if not name or len(name) > _LONGEST_NAME or printable(name) != name:
        raise SettingsError(
            complain(key, shown(name), f"1 to {_LONGEST_NAME} characters in one line", "rename it")
        )


@dataclass(frozen=True)
class PlaceSettings:
    """A place that each nowcast is read at, in degrees (WGS 84)."""

    name: str
    lat: float
    lon: float
    within_km: float = 0.0
    """Read it as all within this distance."""

    def __post_init__(self) -> None:
        from nowcast.postprocessing.places.coordinates import check_place
        from nowcast.postprocessing.places.locations import check_distance

        check_name("places: name", self.name)
        check_place(self.lat, self.lon, f"places: {self.name}")
        check_distance(self.within_km)


@dataclass(frozen=True)
class WarningSettings:
    """Warn when the probability of an event in the coming minutes reaches a limit.

    Raises:
        SettingsError: a number outside its range, or not exactly one of ``area`` and ``place``.
    """

    name: str
    quantity: Literal["rain_sum", "reflectivity", "rain_rate"]
    at_least: float
    """mm, dBZ or mm/h."""
    probability: float
    """Warn from this probability on."""
    minutes: float = 60.0
    """The period, from the forecast reference time on."""
    area: str | None = None
    """Name of one of the areas."""
    place: str | None = None
    """Name of one of the places."""
    of: Literal["anywhere", "mean"] = "anywhere"
    """Whether the strongest cell must reach ``at_least``, or the mean over the cells."""

    def __post_init__(self) -> None:
        check_name("warnings: name", self.name)
        what = f"warnings: {self.name}"
        within(f"{what}: at_least ({UNITS[self.quantity]})", self.at_least, *_HIGHEST[self.quantity])
        within(f"{what}: probability", self.probability, 0.001, 1.0)
        within(f"{what}: minutes", self.minutes, 1.0, 1440.0)
        if (self.area is None) == (self.place is None):
            raise SettingsError(
                complain(
                    what,
                    "both an area and a place" if self.area else "neither area nor place",
                    "one of them",
                    "name where it is for",
                )
            )
        if self.of == "mean" and self.quantity == REFLECTIVITY:
            raise SettingsError(
                complain(
                    f"{what}: of",
                    "mean of reflectivity",
                    "anywhere, or another quantity",
                    "dBZ has no mean that means rain; take rain_rate",
                )
            )

    @property
    def where(self) -> str:
        """The name of its area or place."""
        return self.area or self.place or ""

    @property
    def event(self) -> str:
        """The event in words."""
        amount = f"{self.at_least:g} {UNITS[self.quantity]} or more"
        how = "on the mean" if self.of == "mean" else "somewhere"
        when = f"in {self.minutes:g} min" if self.quantity == RAIN_SUM else f"within {self.minutes:g} min"
        return f"{amount} {when}, {how} in {self.where}" if self.area else f"{amount} {when} at {self.where}"


@dataclass(frozen=True)
class HookSettings:
    """Whom to tell of a warning: a web address that takes JSON, or a command that reads it.

    Raises:
        SettingsError: not exactly one of ``url`` and ``command``, or one that cannot be.
    """

    name: str
    url: str | None = None
    """http or https; it gets a POST with one JSON object."""
    command: tuple[str, ...] | None = None
    """A program and its arguments; no shell reads them. JSON comes on its standard input."""
    timeout_seconds: float = 5.0
    """Of one try."""
    tries: int = 3
    """In one cycle."""
    backoff_seconds: float = 1.0
    """Before the second try; twice as long before each further one."""
    header: str | None = None
    """Name of one more header of the POST, such as Authorization."""
    header_variable: str | None = None
    """The environment variable that holds the header's value, so that no secret stands in a file."""

    def __post_init__(self) -> None:
        check_name("hooks: name", self.name)
        what = f"hooks: {self.name}"
        if (self.url is None) == (self.command is None):
            raise SettingsError(
                complain(
                    what,
                    "both a url and a command" if self.url else "neither url nor command",
                    "one of them",
                    "name whom to tell",
                )
            )
        within(f"{what}: timeout_seconds", self.timeout_seconds, 0.1, 300)
        within(f"{what}: tries", self.tries, 1, 20)
        within(f"{what}: backoff_seconds", self.backoff_seconds, 0, 300)
        if self.command is not None and (
            not self.command or not self.command[0] or "\0" in "".join(self.command)
        ):
            raise SettingsError(complain(f"{what}: command", "none", "a program and its arguments", "name one"))
        if self.url is not None:
            self._check_url(what, self.url)
        if (self.header is None) != (self.header_variable is None) or (self.header and self.url is None):
            raise SettingsError(
                complain(
                    f"{what}: header",
                    "one of header, header_variable, url without the others",
                    "all of them or no header",
                    "add or drop some",
                )
            )
        for key, text, form in (
            ("header", self.header, _HEADER),
            ("header_variable", self.header_variable, _VARIABLE),
        ):
            if text is not None and not form.fullmatch(text):
                raise SettingsError(
                    complain(f"{what}: {key}", shown(text), "letters, digits and dashes", "rename it")
                )

    @staticmethod
    def _check_url(what: str, url: str) -> None:
        """Refuse what is no web address; the message does not repeat it, for it may hold a secret."""
        try:
            parts = urlsplit(url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
            fits = fits and url.isascii() and url.isprintable() and " " not in url
        except ValueError:
            fits, parts = False, urlsplit("")
        if not fits:
            raise SettingsError(
                complain(f"{what}: url", "no web address", "http:// or https:// and a host", "check it")
            )
        if "@" in parts.netloc:
            raise SettingsError(
                complain(
                    f"{what}: url", "one with a user name", "one without", "give header and header_variable"
                )
            )
