"""The routine of a release, in a small repository of its own."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def release():
    """scripts/release.py as a module."""
    spec = importlib.util.spec_from_file_location("release", ROOT / "scripts" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def house(tmp_path):
    """A small checkout with the files that a release changes; what is new is one line."""
    for name in ("nowcast/core/version.py", "CITATION.cff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n\n- New.\n\n## 0.1.0 - 2026-11-26\n\n- Old.\n"
    )
    settings = {
        "user.name": "x",
        "user.email": "x@example.org",
        "commit.gpgsign": "false",
        "tag.gpgsign": "false",
    }
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    for name, value in settings.items():
        subprocess.run(["git", "config", name, value], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "commit", "--quiet", "-m", "all"], cwd=tmp_path, check=True)
    return tmp_path


def git(folder, *words):
    return subprocess.run(
        ["git", *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.slow
def test_a_release_brings_all_files_into_line_tags_and_goes_on(release, house):
    assert release.release(house, "0.2.0", "2026-12-01") == ["bash scripts/test", "git push origin HEAD v0.2.0"]
    assert git(house, "log", "--format=%s") == "After 0.2.0\nRelease 0.2.0\nall"
    assert git(house, "cat-file", "-t", "v0.2.0") == "tag"
    assert '__version__ = "0.3.0.dev0"' in (house / "nowcast/core/version.py").read_text()
    git(house, "checkout", "--quiet", "v0.2.0")
    assert release.check(house, "v0.2.0") == "0.2.0"
    assert release.notes(house, "v0.2.0") == "- New."
    text = (house / "CHANGELOG.md").read_text()
    head = "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-12-01\n\n- New."
    assert text == f"{head}\n\n## 0.1.0 - 2026-11-26\n\n- Old.\n"
    cited = (house / "CITATION.cff").read_text().splitlines()
    assert "version: 0.2.0" in cited
    assert 'date-released: "2026-12-01"' in cited
    with pytest.raises(release.ReleaseError, match=r"names another version than 0\.1\.0"):
        release.check(house, "v0.1.0")
    with pytest.raises(release.ReleaseError, match="has nothing under Unreleased"):
        release.release(house, "0.3.0", "2026-12-02")


@pytest.mark.slow
def test_what_stands_in_the_way_of_a_release_is_said_and_nothing_changes(release, house, monkeypatch, capsys):
    before = git(house, "rev-parse", "HEAD")
    for version, said in (("0.1.0", "expected one above 0.1.0"), ("0.2", "expected three numbers")):
        with pytest.raises(release.ReleaseError, match=said):
            release.release(house, version, "2026-12-01")
    git(house, "tag", "v0.2.0")
    with pytest.raises(release.ReleaseError, match=r"the tag v0\.2\.0 is there already"):
        release.release(house, "0.2.0", "2026-12-01")
    (house / "new").touch()
    monkeypatch.setattr(sys, "argv", ["release.py", "0.3.0"])
    assert release.main(house) == 2
    assert capsys.readouterr().err == "release: the tree has changes; commit them or put them away\n"
    (house / "new").unlink()
    assert (git(house, "rev-parse", "HEAD"), git(house, "status", "--porcelain")) == (before, "")
