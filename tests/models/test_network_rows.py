"""The table of all networks: what is in it and where it goes; what a forecast takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nowcast.models.catalog import MODELS

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PAGE = SCRIPTS.parent / "docs" / "reference" / "networks.md"


@pytest.fixture
def network_rows(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import network_rows

    return network_rows


def test_every_network_has_a_row_of_the_same_work(network_rows):
    rows = network_rows.rows()
    assert {row.model.name for row in rows.values()} == set(MODELS)
    assert {(row.past, row.future, row.size, row.channels) for row in rows.values()} == {(10, 10, (64, 64), 1)}


def test_the_table_goes_between_the_marks_and_the_rest_stays(network_rows, monkeypatch, tmp_path):
    monkeypatch.setattr(network_rows, "_line", lambda name, row, script: f"| {name} |")
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    network_rows.write_table(page, "none")
    text = page.read_text(encoding="utf-8")
    assert all(f"| {name} |" in text for name in network_rows.rows())
    for mark, side in ((network_rows.BEGIN, 0), (network_rows.END, 2)):
        assert text.partition(mark)[side] == PAGE.read_text(encoding="utf-8").partition(mark)[side]
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(SystemExit, match="got no lines"):
        network_rows.write_table(page, "none")


FORECAST = """
import network_rows, numpy as np
kept = []
def forecast():
    if not kept:
        kept.append(np.ones(5_000_000))
    return np.ones(1_000_000).sum()
print(network_rows.MEASURES["megabytes"](forecast))
"""


def test_what_a_first_forecast_leaves_behind_is_not_counted():
    """In a process of its own, as rows are measured: free memory of another test would hide what is taken."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(SCRIPTS.parent), str(SCRIPTS)))}
    done = subprocess.run([sys.executable, "-c", FORECAST], capture_output=True, text=True, check=True, env=env)
    assert 7.0 < float(done.stdout) < 12.0
