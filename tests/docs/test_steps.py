"""The steps of CONTRIBUTING, followed: what is added passes every test at once.

`tests/docs/steps/KIND` holds the files that the steps ask for (``.py.txt``), and in ``edits.toml`` the lines
that they add to files that are there. All four go into one copy of the project, where the tests run.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS = ROOT / "tests" / "docs" / "steps"
KINDS = {"network": "conv_gru", "score": "error_spread", "forecaster": "mean_frame", "reader": "text_grid"}
ASKED = {
    "network": [
        "conformance/test_models.py",
        "conformance/test_cells.py",
        "training/test_every_network.py",
        "models/test_cascade.py",
        "models/test_conv_gru.py",
        "models/test_exceedance.py",
        "models/test_fast.py",
        "models/test_size_limit.py",
        "report/test_palettes.py",
    ],
    "score": ["conformance/test_metrics.py", "scores/test_error_spread.py"],
    "forecaster": ["conformance/test_forecasters.py", "forecasters/test_mean_frame.py"],
    "reader": ["conformance/test_readers.py", "ingestion/test_text_grid.py"],
}
"""Where the tests lie that run over every line of a catalog, or over a name of it."""


def follow(kind: str, project: Path) -> None:
    """Add the files and the lines of a kind to a copy of the project."""
    for path in (STEPS / kind).rglob("*.py.txt"):
        place = (project / path.relative_to(STEPS / kind)).with_suffix("")
        assert not place.exists()
        shutil.copy(path, place)
    for edit in tomllib.loads((STEPS / kind / "edits.toml").read_text(encoding="utf-8"))["edit"]:
        file = project / edit["file"]
        lines = file.read_text(encoding="utf-8").splitlines()
        found = [
            i
            for i, line in enumerate(lines)
            if line == edit.get("after") or ("after_start" in edit and line.startswith(edit["after_start"]))
        ]
        assert len(found) == 1, f"{edit['file']}: {edit.get('after', edit.get('after_start'))}"
        lines.insert(found[0] + 1, edit["insert"])
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which every kind is added."""
    copy = tmp_path_factory.mktemp("steps") / "project"
    leave = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "build", "runs", "demo.zarr", "*.ckpt")
    copy.mkdir()
    for name in ("nowcast", "tests", "configs", "docs", "scripts"):
        shutil.copytree(ROOT / name, copy / name, ignore=leave)
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, copy)
    for kind in KINDS:
        follow(kind, copy)
    return copy


def run(project, *words):
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout[-6000:] + done.stderr[-2000:]
    assert done.returncode == 0, said
    return said


def asked(project, *words):
    return run(project, "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *words)


@pytest.mark.slow
def test_what_is_added_passes_every_test_of_its_catalog_at_once(project):
    places = [f"tests/{place}" for kind in KINDS for place in ASKED[kind]]
    named = ["tests/docs/test_reference.py", "tests/cli/test_models.py"]
    said = asked(project, *places, *named, "-k", " or ".join([*KINDS.values(), "ConvGRU", "reference", "cli"]))
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None
    assert int(passed[1]) > 100, said


@pytest.mark.slow
def test_what_is_added_keeps_the_style_the_types_and_the_floors(project):
    run(project, "ruff", "check", ".")
    run(project, "ruff", "format", "--check", "nowcast", "tests")
    asked(project, "tests/test_names.py", "tests/test_floors.py")
