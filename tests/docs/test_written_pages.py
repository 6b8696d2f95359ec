"""Cards and tables of skill are what the scripts write of the files: no number in them is typed."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from nowcast.forecasters.packaged import folder, registry

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    """A script of scripts/ by name, as a module, and what it is called with."""
    monkeypatch.syspath_prepend(ROOT / "scripts")

    def load(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        return __import__(name)

    return load


@pytest.mark.parametrize("name", sorted(registry()))
def test_a_card_is_what_the_script_makes_of_weights_curve_and_words(name, script, tmp_path, monkeypatch):
    for file in folder().glob(f"{name}.*"):
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
        "lagrangian_persistence,sprog,csi_difference,20,-0.0125,-0.02,0.001,4\n", encoding="utf-8",
    )
    module = script("write_skill_tables", page, f"lagrangian_persistence={tmp_path}")
    assert module.main() == 0
    kept = r"<!-- difference lagrangian_persistence -->\n.*?<!-- end -->"
    after = page.read_text(encoding="utf-8")
    (block,) = re.findall(kept, after, flags=re.S)
    assert block.splitlines()[2:-2] == [
        "| less sprog (4 blocks) | CSI20 |", "| --- | --- |",
        "| lagrangian_persistence | -0.013 [-0.020, +0.001] |",
    ]
    assert re.sub(kept, "", after, flags=re.S) == re.sub(kept, "", before, flags=re.S)
