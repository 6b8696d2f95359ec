"""Every configuration on the page of data sets is one, and its tables give the defaults."""

import re
from pathlib import Path

import pytest
import yaml

from nowcast.core.settings import build, plain
from nowcast.data.catalog import SOURCES
from nowcast.training.experiment import DataChoice

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "howto" / "data-sets.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, flags=re.M | re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_block_of_settings_is_one(block):
    found = yaml.safe_load(block)
    if isinstance(found, dict):
        data = build(DataChoice, found["data"])
        found = [plain(choice) for choice in (*data.sources, *data.validation_sources)]
    for choice in found:
        build(SOURCES[choice["kind"]].settings, choice["settings"])


def test_every_default_of_its_tables_is_the_codes():
    kind, seen = "", 0
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| setting of"):
            kind = cells[0].split("`")[1]
        elif kind and line.startswith("| `"):
            names, values = (re.findall(r"`([^`]+)`", cell) for cell in cells[:2])
            defaults = plain(SOURCES[kind].settings(Path("x")))
            for name, value in zip(names, values, strict=False):
                assert yaml.safe_load(value) == defaults[name], name
                seen += 1
        elif not line.startswith("|"):
            kind = ""
    assert seen >= 14
