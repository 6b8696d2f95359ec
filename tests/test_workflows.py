"""The workflow files of GitHub: every command that they call exists, and every Python is in the matrix."""

import ast
import importlib.util
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from nowcast.cli.main import COMMANDS
from nowcast.cli.parser import build_parser

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMMAND_OF_OTHERS = {"pip", "gh", "cat"}
"""What a runner of GitHub has of itself."""
MODULES_OF_OTHERS = {"build"}


def lines_of(workflow):
    """Every command line of a workflow, and where it runs."""
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            yield from step.get("run", "").splitlines()


def wrong(line):
    """What a command line calls that does not exist, "" for nothing."""
    words = shlex.split(line.split(">")[0])
    if words[0] == "bash":
        return "" if (ROOT / words[1]).is_file() else words[1]
    if words[:2] == ["python", "-m"]:
        known = words[2] in MODULES_OF_OTHERS or importlib.util.find_spec(words[2]) is not None
        return "" if known else words[2]
    if words[0] == "python":
        return wrong_script(words)
    if words[0] == "nowcast":
        try:
            build_parser(COMMANDS, words[1:2]).parse_args(words[1:])
        except SystemExit as stop:
            return "" if stop.code == 0 else line
        return ""
    return "" if words[0] in COMMAND_OF_OTHERS else words[0]


def wrong_script(words):
    """A script that is not there, or an option that it does not have."""
    script = ROOT / words[1]
    if not script.is_file():
        return words[1]
    text = script.read_text(encoding="utf-8")
    ast.parse(text)
    return next((word for word in words[2:] if word.startswith("--") and f'"{word}"' not in text), "")


def test_wrong_command_lines_would_be_found():
    assert wrong("bash scripts/tset --quick") == "scripts/tset"
    assert wrong("python -m nowcst") == "nowcst"
    assert wrong("python scripts/release.py --chek v1") == "--chek"
    assert wrong("python scripts/none.py") == "scripts/none.py"
    assert wrong("nowcast configs lst") == "nowcast configs lst"
    assert wrong("make all") == "make"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_every_command_of_a_workflow_exists(path, capsys):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    lines = list(lines_of(workflow))
    assert lines
    assert [line for line in lines if wrong(line)] == []
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert set(job) <= {"runs-on", "strategy", "steps", "needs", "environment", "permissions"}
        assert job.get("needs", "build") in workflow["jobs"] or "needs" not in job
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step.get("uses", "a/b@v1"))
            done = subprocess.run(["bash", "-n", "-c", step.get("run", "")], capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (0, b"")


def test_the_matrix_has_every_python_that_the_package_promises():
    promised = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["quick"]["strategy"]["matrix"]["python"] == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"
    assert set(workflow["jobs"]) == {"quick", "slow", "coverage", "docs", "wheel"}
    setup = (ROOT / "scripts" / "setup").read_text(encoding="utf-8")
    assert all(f"python{version}" in setup for version in promised)
