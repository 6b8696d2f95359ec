"""What the README and the tutorial say, run as it stands."""

import ast
import importlib
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from nowcast.cli.main import COMMANDS
from nowcast.core.settings import build
from nowcast.ingestion.readers.plug_ins import GROUP
from nowcast.service.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "nowcast" / "weights").glob("*.md")),
]


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.M | re.S)


@pytest.mark.slow
def test_the_tutorial_runs_from_top_to_bottom(tmp_path):
    text = (ROOT / "docs" / "tutorial" / "first-nowcast.md").read_text(encoding="utf-8")
    steps = re.findall(r"^```(bash|python)\n(.*?)^```$", text, flags=re.M | re.S)
    assert len(steps) >= 7
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    for language, code in steps:
        command = (
            ["bash", "-euo", "pipefail", "-c", code]
            if language == "bash"
            else [sys.executable, "-W", "error", "-c", code]
        )
        done = subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": path, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "map.png").stat().st_size > 10_000
    assert "extrapolation,csi,20,mean," in (tmp_path / "skill" / "scores.csv").read_text()
    assert "</html>" in (tmp_path / "skill" / "index.html").read_text()


def test_the_python_in_the_readme_runs(tmp_path, monkeypatch):
    from nowcast.demo.run import DemoSettings, write_files
    from nowcast.demo.storm import StormSettings

    files = write_files(DemoSettings(storms=StormSettings(frames=12, size=32)), tmp_path / "radar", False)
    assert len(files) == 12
    monkeypatch.chdir(tmp_path)
    found: dict = {}
    for code in _blocks(README, "python"):
        exec(compile(code, "README.md", "exec"), found)
    assert found["coming"].reflectivity.dims == ("lead_time", "y", "x")
    assert np.array_equal(found["coming"]["lead_time"].values, found["archive"].step * np.arange(1, 4))
    assert found["skill"].verification.nowcasts == 2
    (code,) = _blocks((ROOT / "docs" / "howto" / "train-on-a-gpu.md").read_text(encoding="utf-8"), "python")
    exec(compile(code, "train-on-a-gpu.md", "exec"), {})
    assert len(list((tmp_path / "italy.cache").iterdir())) == 3


def _help(parser, part):
    """The help of a command, or of the part of it that is named."""
    parts = [a.choices for a in parser._actions if isinstance(a.choices, dict)]
    if not parts:
        return parser.format_help()
    assert part[0] in parts[0], part
    return parts[0][part[0]].format_help()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_and_option_a_page_names_exists(page):
    """Commands are looked up in the catalog, their options in the command's own help."""
    import argparse

    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^\s*(?:\S*/)?nowcast ([a-z-]+)( .*)?$", text, flags=re.M):
        name, rest = line
        assert name in COMMANDS, f"{page.name}: nowcast {name}"
        parser = argparse.ArgumentParser()
        importlib.import_module(f"nowcast.cli.{name.replace('-', '_')}").add_arguments(parser)
        known = _help(parser, rest.split()[:1])
        for option in re.findall(r"(?<=\s)--[a-z-]+", rest.split("#")[0]):
            assert option in known, f"{page.name}: nowcast {name} {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_of_the_project_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:docs|configs|scripts|tests|nowcast)/[\w./-]+)`", text):
        assert "NAME" in name or (ROOT / name).exists(), f"{page.name}: {name}"
    for name in re.findall(r"`(\w+\.yaml)`", text):
        assert name == "settings.yaml" or list((ROOT / "configs").rglob(name)), f"{page.name}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_within_the_project_leads_to_a_file_and_a_heading(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.is_file(), f"{page.name}: {link}"
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.M) if anchor else []
        anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert not anchor or anchor in anchors, f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_name_of_the_package_a_page_uses_exists(page):
    """Names such as `nowcast.scores.catalog.METRICS`, and what the Python of a page imports."""
    text = page.read_text(encoding="utf-8")
    used = {name for name in re.findall(r"`(nowcast(?:\.\w+)+)", text) if name != GROUP}
    for code in _blocks(text, "python"):
        imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
        used |= {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    for name in used:
        if name.partition(".")[0] == "nowcast":
            assert pydoc.locate(name) is not None, f"{page.name}: {name}"


def test_the_readme_lists_every_command():
    missing = [name for name in COMMANDS if f"`nowcast {name}`" not in README and f"`{name}`" not in README]
    assert missing == []


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "service").glob("*.yaml")), ids=lambda p: p.name)
def test_every_service_configuration_builds(path):
    build(ServiceSettings, yaml.safe_load(path.read_text(encoding="utf-8")))


def test_scripts_that_set_up_are_sound_shell():
    for name in ("scripts/demo", "scripts/test", "scripts/setup", ".ci/run"):
        done = subprocess.run(["bash", "-n", str(ROOT / name)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
