"""How fields are put on another grid: ``--resample conservative,mean_in=z,observed_share=0.5``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from nowcast.core.errors import SettingsError, complain
from nowcast.core.plain_values import parse_yaml
from nowcast.core.settings import build

Method = Literal["nearest", "mean", "conservative"]


@dataclass(frozen=True)
class ResampleSettings:
    """Settings of regridding.

    ``method``: ``nearest`` takes the source cell that the centre of a cell lies in; ``mean`` the mean of the
    source cells whose centres lie in it, and where there is none the nearest; ``conservative`` the mean
    weighted by the areas of overlap, in the projection of the target, so that sums over areas stay.

    ``mean_in``: ``z`` averages reflectivity factors (no echo is 0, a mean below the lowest dBZ is no echo),
    ``dbz`` averages dBZ (no echo is the lowest).

    ``observed_share``: a cell is observed where at least this share of its weight is; of ``conservative`` that
    is the share of its area. Beyond the source's grid nothing is observed.
    """

    method: Method = "nearest"
    mean_in: Literal["z", "dbz"] = "z"
    observed_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 < self.observed_share <= 1.0:
            raise SettingsError(
                complain(
                    "resample.observed_share",
                    f"{self.observed_share:g}",
                    "above 0 and at most 1",
                    "give another",
                )
            )

    def __str__(self) -> str:
        if self.method == "nearest":
            return "nearest"
        return f"{self.method},mean_in={self.mean_in},observed_share={self.observed_share:g}"


def resample_settings(text: str) -> ResampleSettings:
    """Read settings as the command line gives them: a method, then ``key=value``, parted by commas.

    Raises:
        SettingsError: an unknown key or method, or a value beyond its range.
    """
    values: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        try:
            values[key.strip() if equals else "method"] = parse_yaml(value if equals else key)
        except ValueError as error:
            raise SettingsError(complain("--resample", f"'{part[:40]}'", "key=value", "write it so")) from error
    try:
        return build(ResampleSettings, values)
    except SettingsError as error:
        raise SettingsError(f"--resample: {error}") from error
