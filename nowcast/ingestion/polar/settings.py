"""How polar volumes are put on a grid: ``--polar method=cappi,height_km=2`` or ``polar:`` in a mapping."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nowcast.core.errors import SettingsError, complain
from nowcast.core.plain_values import parse_yaml
from nowcast.core.settings import build, read_yaml

Method = Literal["lowest_beam", "cappi", "maximum"]


@dataclass(frozen=True)
class PolarSettings:
    """Settings of gridding; heights are above sea level, elevations those of the antenna.

    ``method``: ``lowest_beam`` takes at every cell the lowest sweep that observes it; ``cappi`` the height
    ``height_km``, and with ``pseudo`` the nearest sweep where no two lie around it (near the radar and far
    from it); ``maximum`` the largest of the column. ``interpolation``: ``nearest`` gate, or ``linear`` in Z
    between gates and, of a CAPPI, between sweeps.

    ``quantity`` is read instead of the corrected reflectivity there is (DBZH before TH). ``missing`` is what
    formats mean that have one code for both (CfRadial): within the range of a ray nothing was heard.

    Several radars: ``composite`` takes the ``maximum``, the ``nearest`` radar or the ``lowest`` beam. Files
    belong to the time of the step that is ``nearest``, or with ``rounding`` ``down`` the one before, if they
    are no more than ``tolerance_minutes`` (half a step when None) from it.
    """

    method: Method = "lowest_beam"
    height_km: float = 2.0
    pseudo: bool = True
    interpolation: Literal["nearest", "linear"] = "nearest"
    cell_km: float = 1.0
    radius_km: float = 150.0
    quantity: str | None = None
    lowest_elevation_deg: float = -2.0
    highest_elevation_deg: float = 90.0
    missing: Literal["no_echo", "not_observed"] = "no_echo"
    composite: Literal["maximum", "nearest", "lowest"] = "maximum"
    rounding: Literal["nearest", "down"] = "nearest"
    tolerance_minutes: float | None = None

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("cell_km", self.cell_km, 0.05, 20.0),
            ("radius_km", self.radius_km, 2.0, 600.0),
            ("height_km", self.height_km, -0.5, 25.0),
            ("tolerance_minutes", self.tolerance_minutes or 1.0, 0.0, 60.0),
        ):
            if not low <= value <= high:
                raise SettingsError(
                    complain(f"polar.{name}", f"{value:g}", f"{low:g} to {high:g}", "give another")
                )
        if self.lowest_elevation_deg >= self.highest_elevation_deg:
            raise SettingsError(
                complain(
                    "polar.lowest_elevation_deg",
                    f"{self.lowest_elevation_deg:g}",
                    f"below the highest, {self.highest_elevation_deg:g}",
                    "exchange them",
                )
            )


def polar_settings(text: str) -> PolarSettings:
    """Read settings as the command line gives them: a method, ``key=value,...``, or the path of a YAML file.

    Raises:
        SettingsError: an unknown key or method, a value of the wrong type or beyond its range.
    """
    values: dict[str, Any] = {}
    if text.endswith((".yaml", ".yml")):
        values = read_yaml(Path(text))
        values = values["polar"] if isinstance(values.get("polar"), dict) else values
    else:
        for part in filter(None, text.split(",")):
            key, equals, value = part.partition("=")
            try:
                values[key.strip() if equals else "method"] = parse_yaml(value if equals else key)
            except ValueError as error:
                raise SettingsError(
                    complain("--polar", f"'{part[:40]}'", "key=value", "write it so")
                ) from error
    try:
        return build(PolarSettings, values)
    except SettingsError as error:
        raise SettingsError(f"--polar: {error}") from error
