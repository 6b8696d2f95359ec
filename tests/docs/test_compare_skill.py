"""The script that compares forecasters: it goes on where it ended, and cards and pages get its tables."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from nowcast.forecasters.persistence import Persistence
from tests.fakes.small_archive import write_archive

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)

    def load(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        return __import__(name)

    return load


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    write_archive(folder, frames=22, missing=(17,))
    days = {"archives": ["disc.zarr"], "periods": ["2025-03-22/2025-03-22"], "step": 10, "lead_times": 2}
    group = {
        "title": "Discs",
        "country": "Nowhere",
        "season": "March",
        "archive": "disc.zarr",
        "period": "2025-03-22/2025-03-22",
        "step": 10,
        "lead_times": 2,
        "starts": 5,
        "min_wet_pixels": 1,
        "calibration": "here",
    }
    groups = {"calibrations": {"here": {**days, "stride": 3, "min_wet_pixels": 1}}, "groups": {"discs": group}}
    (folder / "groups.yaml").write_text(yaml.safe_dump(groups))
    return folder


@pytest.mark.slow
def test_it_counts_each_start_once_and_writes_tables(archives, script, tmp_path, monkeypatch, capsys):
    out = tmp_path / "comparison"

    def compare(models, *more):
        common = ("--archives", archives, "--out", out, "--file", archives / "groups.yaml")
        return script("compare_skill", *common, "--models", models, *more).main()

    assert compare("persistence", "--reference", "persistence") == 0
    starts = (out / "discs" / "starts.txt").read_text().split()
    assert len(starts) == 5
    first = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    assert len(first) == 5
    monkeypatch.setattr(Persistence, "forecast", lambda *a: pytest.fail("forecast again"))
    assert compare("persistence,extrapolation,few=extrapolation@2", "--reference", "persistence") == 0
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert len(list((out / "discs" / "counted" / "few").iterdir())) == 2
    assert len(list((out / "calibrations" / "here").iterdir())) == 2
    place = out / "less-persistence"
    about = json.loads((place / "discs" / "group.json").read_text())
    assert about == {"title": "Discs", "country": "Nowhere", "season": "March", "nowcasts": 5}
    assert json.loads((place / "discs-common" / "group.json").read_text())["nowcasts"] == 2
    scores = (place / "discs" / "scores.csv").read_text()
    assert "persistence,csi,20,10," in scores
    assert "few," not in scores
    assert "extrapolation,persistence,csi_difference,20," in (place / "discs" / "confidence.csv").read_text()
    assert "discs: 5 nowcasts" in capsys.readouterr().out
    assert compare("absent") == 2


def test_starts_are_in_an_order_that_is_spread(script):
    module = script("compare_skill")
    assert module.spread(8) == [0, 4, 2, 6, 1, 5, 3, 7]
    assert sorted(module.spread(11)) == list(range(11))
    assert module.spread(1) == [0]
    gaps = [np.diff(sorted([0, *module.spread(32)[:n], 31])).max() for n in (4, 8, 16)]
    assert gaps == [8, 4, 2]
    starts = list(np.datetime64("2025-03-21T00:00") + np.arange(36) * np.timedelta64(60, "m"))
    few, every = (module.picked_of(module.parse_model(text), starts) for text in ("net@6", "net"))
    assert sorted(module.first_of(few)) == few == [starts[i] for i in (0, 7, 14, 21, 28, 35)]
    assert every == starts
    assert len(module.first_of(every)) == 6


@pytest.fixture
def comparison(tmp_path):
    place = tmp_path / "c" / "alps"
    place.mkdir(parents=True)
    (place / "group.json").write_text(json.dumps({"country": "Alps", "season": "July", "nowcasts": 7}))
    (place / "scores.csv").write_text(
        "model,score,threshold_dbz,lead_minutes,value\n"
        "sprog,csi,20,mean,0.4\nnet,csi,20,mean,0.44\nnet,csi,20,10,0.9\nnet,csi,30,mean,0.2\n"
        "net,brier_skill,20,mean,0.5\nnet,rapsd_ratio,,mean,0.25\n"
        "net,rapsd_ratio,,10,0.4\nnet,rapsd_ratio,,100,0.1\nsteps,brier_skill,20,mean,0.45\n"
    )
    (place / "confidence.csv").write_text(
        "model,reference,measure,threshold_dbz,value,low,high,blocks\n"
        "net,sprog,csi_difference,20,0.04,0.01,0.06,4\nnet,sprog,csi_difference,30,-0.02,-0.04,0.01,4\n"
        "net,,skill_horizon_minutes_csi_0.25,30,62.4,,,\nsprog,,skill_horizon_minutes_csi_0.25,30,inf,,,\n"
    )
    (place / "reliability.csv").write_text(
        "model,threshold_dbz,forecast,observed,pixels\n"
        "net,20,0.02,0.011,90000\nnet,20,0.55,0.61,9900\nnet,20,1,0.5,100\nsprog,20,0.5,0.5,10\n"
    )
    return tmp_path / "c"


def test_tables_by_country_by_hand(script, comparison):
    module = script("comparison_tables")
    groups = module.groups_of(comparison, "net")
    assert module.by_country(groups, "net")[2] == (
        "| Alps, July | 7 | 0.440; +0.040 [+0.010, +0.060] | 0.200; -0.020 [-0.040, +0.010] | - | - | - | "
        "62 min (sprog not reached) |"
    )
    assert list(module.behind(groups, "net")) == [
        "- Alps, July, 30 dBZ: CSI -0.020 [-0.040, +0.010] less sprog (7 nowcasts)."
    ]
    assert module.reliability(groups, "net")[2:] == [
        "| Alps, July | 20 dBZ | 1 |  |  |  |  | 61 |  |  |  | 50 |"
    ]
    assert module.brier(groups)[3] == "| Alps, July | 7 | net | 0.500 | - | - | 0.25, 0.10 | - |"
    with pytest.raises(OSError, match="no group of a comparison with nobody"):
        module.groups_of(comparison, "nobody")


def test_the_page_of_skill_takes_a_comparison(script, comparison, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- countries c net -->\nold\n<!-- end -->\n<!-- brier c -->\n<!-- end -->\n")
    assert script("write_skill_tables", page, f"c={comparison}").main() == 0
    text = page.read_text()
    assert "| Alps, July | 7 | 0.440; +0.040 [+0.010, +0.060] |" in text
    assert "| Alps, July | 7 | steps | 0.450 | - | - | - | - |" in text
    assert "old" not in text


def test_a_card_says_where_it_is_behind_and_on_what_terms_its_data_are(script, comparison):
    module = script("write_model_card")
    text = "\n".join(module._comparison(comparison, "net"))
    assert "## Skill: by country and season, beside sprog" in text
    assert "## Skill: where sprog is ahead\n\n- Alps, July, 30 dBZ: CSI -0.020" in text
    sources = [
        {"kind": "radar_archive", "settings": {"path": f"a/{name}.zarr"}} for name in ("slovenia", "mine")
    ]
    assert module._terms(sources)[2:4] == [
        "| `slovenia.zarr` | Slovenia, pictures of the maximum rain rate in classes of 3 dBZ (ARSO) | "
        "unknown: none are stated with the data |",
        "| `mine.zarr` | a source that data_terms.yaml does not know | unknown |",
    ]
