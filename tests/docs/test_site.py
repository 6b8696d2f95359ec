"""The site is built without a warning and without the network, and every page can be reached in it."""

import fnmatch
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
MOST_SECONDS = 120.0


def _navigation() -> list[str]:
    """Entries and patterns of the tables of contents of the front page."""
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    inside = "\n".join(re.findall(r"^```\{toctree\}\n(.*?)^```$", text, flags=re.M | re.S))
    return [line for line in inside.splitlines() if line and not line.startswith(":")]


def test_every_page_stands_in_the_navigation():
    found = [*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")]
    pages = {str(p.relative_to(DOCS).with_suffix("")) for p in found}
    patterns = _navigation()
    missing = [p for p in sorted(pages - {"index"}) if not any(fnmatch.fnmatch(p, each) for each in patterns)]
    assert missing == []
    from_elsewhere = {"readme", "contributing", "changelog", "reference/api/index"}
    assert {p for p in patterns if "*" not in p} - from_elsewhere <= pages


@pytest.fixture
def build_docs(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import build_docs

    return build_docs


def test_names_of_pages_become_links_and_notes_of_blocks_not_run_are_shown(build_docs, tmp_path):
    for folder in ("docs/howto", "nowcast/weights"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "README.md").write_text("See `docs/howto/one.md` and `docs/none.md`.\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n")
    (tmp_path / "nowcast/weights/net.md").write_text("# The card of net\n")
    (tmp_path / "nowcast/weights/net.words.md").write_text("words\n")
    fence = "```\n`README.md`\n```\n"
    page = f"See `README.md`, `nowcast/weights/net.md`.\n\n<!-- not run: a GPU\nis needed -->\n{fence}"
    (tmp_path / "docs/howto/one.md").write_text(page)
    site = tmp_path / "site"
    assert build_docs.gather(tmp_path, site) == {
        "docs/howto/one.md": "howto/one.md",
        "README.md": "readme.md",
        "CHANGELOG.md": "changelog.md",
        "nowcast/weights/net.md": "reference/models/net.md",
    }
    assert (site / "readme.md").read_text() == "See [`docs/howto/one.md`](howto/one.md) and `docs/none.md`.\n"
    assert (site / "howto/one.md").read_text() == (
        "See [`README.md`](../readme.md), [`nowcast/weights/net.md`](../reference/models/net.md).\n\n"
        f"{{.not-run}}\n*Not run by the tests: a GPU is needed.*\n\n{fence}"
    )


@pytest.mark.slow
def test_it_builds_strictly_and_offline(tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "build_docs.py", "--out", tmp_path / "site"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-4000:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < MOST_SECONDS
    pages = {str(p.relative_to(tmp_path / "site")): p.read_text() for p in (tmp_path / "site").rglob("*.html")}
    asked = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?(?:src|href)=[\"'](?:https?:)?//[^\"']*")
    assert {name: found[:3] for name, text in pages.items() if (found := asked.findall(text))} == {}
    styles = "".join(p.read_text() for p in (tmp_path / "site").rglob("*.css"))
    assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)]*", styles) == []
    api = pages["reference/api/nowcast.core.html"]
    assert 'id="nowcast.core.rain.z_r"' in api
    assert 'id="nowcast.models.catalog.build_model"' in pages["reference/api/nowcast.models.html"]
    front = pages["index.html"]
    for page in ("howto/grids", "explanation/ensembles", "reference/commands", "gallery", "contributing"):
        assert f'href="{page}.html"' in front, page
    assert 'src="_images/forecast.png"' in front
