"""The page of the forecast file names every variable and coordinate as the catalog has them."""

import re
from pathlib import Path

from nowcast.products.variables import AXES, VARIABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "forecast-file.md"
DTYPES = {"i2": "int16", "u1": "uint8", "i4": "int32"}


def test_every_variable_has_its_row():
    rows = [
        re.split(r" \| ", line.strip("| "))
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    variables = {row[0].strip("`"): row[1:4] for row in rows if len(row) == 5}
    assert variables == {
        v.name: [
            ", ".join("time" if d == "lead_time" else d for d in v.dims),
            v.attrs["units"],
            f"{v.kind.scale:g}, {DTYPES[v.kind.dtype]}",
        ]
        for v in VARIABLES.values()
    }
    axes = {row[0].strip("`"): row[1] for row in rows if len(row) == 3}
    assert {name: axis.attrs["units"] for name, axis in AXES.items()}.items() <= axes.items()
