"""What the papers print: every number of their result tables, filled in beside what is computed, by name.

`reported.csv` beside this module holds them: paper, table, data, setting (which lead times), method, score,
unit, value. A configuration names a table of a paper; the name of a row, or its ``reported_as``, is the method.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from nowcast.core.errors import SettingsError, complain

FILE = Path(__file__).with_name("reported.csv")
SCORES: Mapping[str, str] = {
    "MSE": "mse_sum",
    "MAE": "mae_sum",
    "SSIM": "ssim",
    "PSNR": "psnr",
    "LPIPS": "lpips",
    "GDL": "gdl_sum",
    "FVD": "fvd",
    "CSI30": "csi_pixel_30",
    "CSI40": "csi_pixel_40",
    "CSI50": "csi_pixel_50",
    "parameters": "parameters",
    "FLOPs (multiplications)": "multiply_accumulates",
    "inference time": "seconds",
    "memory, one sample": "memory_mb",
    "MSE gain": "gain",
}
"""The papers' names of scores and costs -> ours, where a configuration says nothing else."""
UNITS: Mapping[str, float] = {
    "": 1.0,
    "sum a frame": 1.0,
    "/10": 10.0,
    "/100": 100.0,
    "1e-3": 1e-3,
    "dB": 1.0,
    "s": 1.0,
    "M": 1e6,
    "G": 1e9,
    "MB": 1.0,
    "%": 1.0,
}
"""The papers' units -> what a printed number is multiplied by to be in ours."""


class Printed(NamedTuple):
    """One number of a paper, as it stands in the file."""

    paper: str
    table: str
    data: str
    setting: str
    method: str
    score: str
    unit: str
    value: str


@dataclass(frozen=True)
class ReportedTable:
    """Which table of which paper stands beside what is computed."""

    paper: str
    """``MotionRNN``, ``LMC-Memory`` or ``ASTM``."""
    table: str
    data: str
    """The paper's data, as the file calls them; a table may hold several."""
    scores: dict[str, str] = field(default_factory=dict)
    """The paper's name of a score -> ours, where it is not that of `SCORES`."""

    def __post_init__(self) -> None:
        if not self.numbers():
            known = ", ".join(dict.fromkeys(f"{p.paper} {p.table} {p.data}" for p in printed()))
            raise SettingsError(
                complain("reported", f"{self.paper} {self.table} {self.data}", f"one of {known}", "correct it")
            )

    def numbers(self) -> list[Printed]:
        """All that the paper prints there."""
        mine = (self.paper, self.table, self.data)
        return [found for found in printed() if found[:3] == mine]

    def methods(self) -> list[str]:
        """The rows of the paper's table, in its order."""
        return list(dict.fromkeys(found.method for found in self.numbers()))


@cache
def printed() -> tuple[Printed, ...]:
    """Every number of the papers' tables."""
    with FILE.open(encoding="utf-8", newline="") as handle:
        return tuple(Printed(*(row[name] for name in Printed._fields)) for row in csv.DictReader(handle))


def reported_of(
    tables: Iterable[ReportedTable], method: str, whole: str, leads: Iterable[str]
) -> dict[tuple[str, str], float]:
    """What the papers print of one method: (name of the lead times, or empty for all; our score) -> value.

    Args:
        tables: which tables are looked in, the first that has a number gives it.
        method: as the paper calls it.
        whole: the setting that is all lead times, for example ``10->30``.
        leads: the settings that are some of them.
    """
    places = {whole: ""} | {name: name for name in leads}
    found: dict[tuple[str, str], float] = {}
    for table in tables:
        for number in table.numbers():
            if number.method == method and number.setting in places:
                name = table.scores.get(number.score) or SCORES[number.score]
                value = float(number.value) * UNITS[number.unit]
                found.setdefault((places[number.setting], name), float(f"{value:.12g}"))
    return found
