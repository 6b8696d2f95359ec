"""Cards and tables of skill are what the scripts write of the files: no number in them is typed."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from nowcast.forecasters.registry import folder, packaged_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    """A script of scripts/ by name, as a module, and what it is called with."""
    monkeypatch.syspath_prepend(ROOT / "scripts")

    def load(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        return __import__(name)

    return load


@pytest.mark.parametrize("name", sorted(packaged_names()))
def test_a_card_is_what_the_script_makes_of_weights_curve_and_words(name, script, tmp_path, monkeypatch):
    for file in (*folder().glob(f"{name}.*"), *folder().glob("*.safetensors")):
        shutil.copy(file, tmp_path)
    expected = (folder() / f"{name}.md").read_text(encoding="utf-8")
    card = tmp_path / f"{name}.md"
    skill = expected[expected.index("## Skill: ") : expected.index("\n## Where it fails")]
    card.write_text(f"# an older card\n\n{skill}\n## Old words\n", encoding="utf-8")
    module = script("write_model_card", name)
    monkeypatch.setattr(module, "folder", lambda: tmp_path)
    assert module.main() == 0
    assert card.read_text(encoding="utf-8") == expected


def test_every_block_of_the_page_of_skill_can_be_filled_again(script, tmp_path):
    page = tmp_path / "skill.md"
    before = (ROOT / "docs" / "reference" / "skill.md").read_text(encoding="utf-8")
    page.write_text(before, encoding="utf-8")
    (tmp_path / "confidence.csv").write_text(
        "model,reference,measure,threshold_dbz,value,low,high,blocks\n"
        "lagrangian_persistence,sprog,csi_difference,20,-0.0125,-0.02,0.001,4\n",
        encoding="utf-8",
    )
    module = script("write_skill_tables", page, f"lagrangian_persistence={tmp_path}")
    assert module.main() == 0
    kept = r"<!-- difference lagrangian_persistence -->\n.*?<!-- end -->"
    after = page.read_text(encoding="utf-8")
    (block,) = re.findall(kept, after, flags=re.S)
    assert block.splitlines()[2:-2] == [
        "| less sprog (4 blocks) | CSI20 |",
        "| --- | --- |",
        "| lagrangian_persistence | -0.013 [-0.020, +0.001] |",
    ]
    assert re.sub(kept, "", after, flags=re.S) == re.sub(kept, "", before, flags=re.S)


def test_the_table_of_probabilities_is_what_the_measuring_script_wrote(script, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- probabilities here -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    measures = [
        ("brier_skill", 20.0, 0.5),
        ("brier_skill", 30.0, 0.4),
        ("brier_skill", 40.0, -0.1),
        ("crps", "", 1.2345),
        ("crps_fair", "", 1.2),
        ("largest_gap", 20.0, -0.012),
        ("largest_gap", 30.0, 0.03),
        ("largest_gap", 40.0, 0),
        ("rain_sum_largest_gap", 5.0, "nan"),
        ("area_spread_error", "", 0.9),
        ("rank_histogram_20", "", 1.25),
        ("starts", "", 3),
    ]
    lines = [f"g,{model},{name},{at},{value}" for model in ("net", "steps") for name, at, value in measures]
    table = "group,model,measure,threshold,value\n" + "\n".join(lines) + "\n"
    (tmp_path / "probabilities.csv").write_text(table, encoding="utf-8")
    assert script("write_skill_tables", page, f"here={tmp_path}").main() == 0
    found = page.read_text(encoding="utf-8").splitlines()
    assert found[3].startswith("| 3 starts | Brier skill 20 dBZ | 30 dBZ | 40 dBZ | CRPS dB |")
    assert found[5] == (
        "| net | 0.500 | 0.400 | -0.100 | 1.234 | 1.200 | -0.012 | +0.030 | +0.000 | - | 0.90 | 1.25 |"
    )
    assert found[6].startswith("| steps |")
