"""What a server may be told, and what it allows those who ask."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from nowcast.core.errors import FileError, SettingsError, complain
from nowcast.core.rain import z_r

LOOPBACK = "127.0.0.1"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+\Z")
_NAMES_OF_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Limits:
    """The most that one request may ask for."""

    pixels: int = 2048
    """Width and height of a picture."""
    values: int = 1_000_000
    """Values that an EDR query reads."""
    points: int = 100
    """Points of a position query."""
    vertices: int = 2_000
    """Of the outline of an area."""
    query_bytes: int = 32_768
    """Of the path and the query."""


@dataclass(frozen=True)
class ServeSettings:
    """What `nowcast serve` is told."""

    place: Path
    """An output folder of a service, a folder of forecast files, or one forecast file."""
    host: str = LOOPBACK
    port: int = 8080
    rate: float = 50.0
    """Requests a second that one address may make in the long run; 0 does not limit them."""
    burst: int = 400
    """Requests that it may make at once."""
    stale_minutes: float | None = None
    """Age of the newest forecast from which on /health answers 503."""
    allow_origin: str = ""
    """Web site whose pages may read the answers, ``*`` for any."""
    allow_hosts: tuple[str, ...] = ()
    """Names under which it may be asked, beside those of loopback; any where it is open to others."""
    behind_proxy: bool = False
    """Addresses of those who ask are taken from the proxy on this machine."""
    z_r_name: str | None = None
    """Z-R relation of the layer ``rain_rate`` where the forecast names none."""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.place.exists():
            raise FileError(
                complain(
                    str(self.place),
                    "nothing there",
                    "a forecast file or the output folder of a service",
                    "check the path",
                )
            )
        for flag, value, low, high in (
            ("--port", self.port, 0, 65_535),
            ("--rate", self.rate, 0.0, 1e6),
            ("--burst", self.burst, 1, 10**6),
            ("--stale-minutes", 1.0 if self.stale_minutes is None else self.stale_minutes, 0.1, 1e6),
        ):
            if not low <= value <= high:
                raise SettingsError(complain(flag, value, f"{low:g} to {high:g}", "correct it"))
        if self.z_r_name is not None:
            z_r(self.z_r_name)
        if self.allow_origin not in ("", "*") and not _ORIGIN.match(self.allow_origin):
            expected = "* or an origin such as https://example.org"
            raise SettingsError(complain("--allow-origin", f"'{self.allow_origin}'", expected, "correct it"))

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def hosts(self) -> frozenset[str] | None:
        """Names under which it answers, None for any.

        Why: a web page from elsewhere may let its own name lead to 127.0.0.1 and so read what is meant for
        this machine alone.
        """
        if self.allow_hosts:
            return frozenset({*(name.lower() for name in self.allow_hosts), *_NAMES_OF_LOOPBACK})
        return frozenset(_NAMES_OF_LOOPBACK) if self.loopback else None
