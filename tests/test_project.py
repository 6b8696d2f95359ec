"""The shell of the project: top level, citation, changelog, hooks before a commit."""

import datetime
import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

from nowcast.core.version import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOP = {
    *("pyproject.toml", "nowcast", "configs", "tests", "scripts", "docs", ".ci"),
    *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CITATION.cff"),
    *(".github", ".pre-commit-config.yaml", ".gitignore", "Dockerfile", "compose.yaml", ".dockerignore"),
}
CFF = {
    "type": "object",
    "required": ["cff-version", "message", "title", "authors", "version", "date-released", "license"],
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "message": {"type": "string", "minLength": 1},
        "type": {"enum": ["software", "dataset"]},
        "title": {"type": "string", "minLength": 1},
        "abstract": {"type": "string"},
        "authors": {"$ref": "#/$defs/authors"},
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "date-released": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
        "license": {"const": "Apache-2.0"},
        "keywords": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "references": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "title", "authors"],
                "properties": {
                    "type": {"enum": ["article", "conference-paper"]},
                    "title": {"type": "string"},
                    "authors": {"$ref": "#/$defs/authors"},
                    "year": {"type": "integer"},
                    **{key: {"type": "string"} for key in ("collection-title", "journal", "doi", "url")},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
    "$defs": {
        "authors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "anyOf": [
                    {
                        "type": "object",
                        "required": ["name"],
                        "additionalProperties": False,
                        "properties": {"name": {}},
                    },
                    {
                        "type": "object",
                        "required": ["family-names", "given-names"],
                        "additionalProperties": False,
                        "properties": {"family-names": {}, "given-names": {}},
                    },
                ]
            },
        }
    },
}
"""What this file may hold of the Citation File Format 1.2.0."""


@pytest.fixture(scope="module")
def release():
    """scripts/release.py as a module."""
    spec = importlib.util.spec_from_file_location("release", ROOT / "scripts" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tracked(*paths):
    done = subprocess.run(
        ["git", "ls-files", *paths], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    return done or pytest.skip("not a checkout of git")


def test_nothing_else_lies_at_the_top():
    found = {name.split("/")[0] for name in tracked()}
    assert found <= TOP, "a new thing at the top belongs into one of the folders"
    assert {name for name in TOP if name not in ("Dockerfile", "compose.yaml", ".dockerignore")} <= found


def test_the_citation_is_in_its_format_and_names_the_newest_release(release):
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    jsonschema.validate(found, CFF)
    released = [
        (version, date)
        for version, (date, _) in release.sections((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")).items()
        if version
    ]
    assert (found["version"], found["date-released"]) == released[0]
    for broken in ({"version": 1}, {"authors": []}, {"authors": [{"family-names": "X"}]}, {"licence": "MIT"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**found, **broken}, CFF)


def test_the_changelog_has_versions_newest_first_with_dates(release):
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = release.sections(text)
    versions = list(found)
    assert versions[0] == ""
    assert [release.parts(v) for v in versions[1:]] == sorted(
        (release.parts(v) for v in versions[1:]), reverse=True
    )
    assert all(words for version, (_, words) in found.items() if version)
    days = [datetime.date.fromisoformat(date) for version, (date, _) in found.items() if version]
    assert days == sorted(days, reverse=True)
    assert set(re.findall(r"^### (.*)$", text, flags=re.M)) <= {"Added", "Changed", "Fixed", "Removed"}
    assert len(re.findall(r"^## ", text, flags=re.M)) == len(versions)


def test_the_version_is_that_of_a_release_or_on_the_way_to_the_next(release):
    newest = max(v for v in release.sections((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")) if v)
    number = __version__.removesuffix(".dev0")
    assert release.parts(number) >= release.parts(newest)
    assert (__version__ == newest) == (number == newest)
    assert PROJECT["dynamic"] == ["version"]


def test_the_hooks_before_a_commit_are_the_tools_of_the_tests():
    found = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    tests = (ROOT / "scripts" / "test").read_text(encoding="utf-8")
    for repo in found["repos"]:
        assert repo["repo"] == "local" or re.fullmatch(r"v\d+\.\d+\.\d+", repo["rev"])
        for hook in repo["hooks"] if repo["repo"] == "local" else ():
            words = hook["entry"].split()
            if words[0] == ".venv/bin/python":
                assert importlib.util.find_spec(words[2]) is not None
                assert f"-m {' '.join(words[2:4])}".split(" --")[0] in tests
            else:
                assert Path(words[0]).name in tests
    assert {hook["id"] for repo in found["repos"] for hook in repo["hooks"]} >= {"ruff", "ruff-format", "mypy"}


def test_the_tests_keep_the_format_and_can_tell_coverage():
    text = (ROOT / "scripts" / "test").read_text(encoding="utf-8")
    assert '"$python" -m ruff format --check .' in text
    assert "--coverage" in text
    assert "--cov " in text
    dev = PROJECT["optional-dependencies"]["dev"]
    assert any(line.startswith("pytest-cov") for line in dev)
