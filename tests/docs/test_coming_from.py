"""What the pages for those who come from elsewhere say of the others' names and of ours."""

import pydoc
import re
from pathlib import Path

import pytest

from nowcast.forecasters.catalog import FORECASTERS
from nowcast.forecasters.motion import MOTIONS
from nowcast.models.catalog import MODELS
from nowcast.scores.catalog import METRICS
from nowcast.scores.protocols import PROTOCOLS

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto"


def _column(page: str, number: int) -> str:
    text = (HOWTO / page).read_text(encoding="utf-8")
    return "\n".join(line.split(" | ")[number] for line in text.splitlines() if line.startswith("| "))


def test_every_function_of_pysteps_exists():
    pytest.importorskip("pysteps")
    names = re.findall(r"`(pysteps\.[\w.]+)`", _column("coming-from-pysteps.md", 0))
    assert len(names) >= 14
    assert [name for name in names if pydoc.locate(name) is None] == []


def test_models_motions_and_scores_are_named_as_they_are():
    ours = _column("coming-from-pysteps.md", 1)
    assert set(re.findall(r"(?<=method=)\w+|(?<=, `)(?:ilk|tvl1)|(?<=or `)pysteps", ours)) == set(MOTIONS)
    assert {"extrapolation", "pysteps_lk", "sprog", "steps", "linda_p"} <= set(FORECASTERS)
    scores = re.search(r"--scores (\S+)`", ours)
    assert scores is not None
    assert set(scores[1].split(",")) <= set(METRICS)
    ours = _column("coming-from-openstl.md", 1)
    models = re.search(r"model.name: ([^;]*);", ours)
    assert models is not None
    assert set(re.findall(r"\w+", models[1])) <= set(MODELS)
    scores = re.search(r"scores: \[([^]]*)\]", ours)
    assert scores is not None
    assert set(scores[1].split(", ")) <= set(PROTOCOLS)
