"""The table of all networks: what is in it and where it goes; nothing is measured."""

from pathlib import Path

import numpy as np
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


def test_what_a_first_forecast_leaves_behind_is_not_counted(network_rows):
    kept = []

    def forecast():
        if not kept:
            kept.append(np.ones(5_000_000))
        return np.ones(1_000_000).sum()

    assert 7.0 < network_rows.MEASURES["megabytes"](forecast) < 12.0
