"""Every command and every line of Python of the documentation is run, or its page says above it why not."""

import shutil
import sys
import webbrowser
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from page_blocks import RUNNABLE, blocks, run_block  # noqa: E402

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BY_OTHERS = {
    "docs/tutorial/first-nowcast.md": "tests/docs/test_snippets.py",
    "docs/gallery.md": "tests/docs/test_pictures.py",
}
"""Pages that another test runs from top to bottom."""
PYTHON_BY_OTHERS = {
    "README.md": "tests/docs/test_snippets.py",
    "docs/howto/cluster.md": "tests/docs/test_cluster_howto.py",
    "docs/howto/train-on-a-gpu.md": "tests/docs/test_snippets.py",
    "docs/reference/scores.md": "tests/docs/test_reference.py",
}
"""Pages whose Python another test runs, on other data than here."""
LANGUAGES = {"bash", "python", "text", "yaml", "toml", "ini", "json"}
COMMANDS = {"nowcast", "bash", "python", "pip", "docker", "curl", "dask", "aws", "torchrun", "git"}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def found(page: Path):
    return [b for b in blocks(page.read_text(encoding="utf-8")) if not b.language.startswith("{")]


def here(page: Path):
    """The blocks that are run by this file."""
    name = name_of(page)
    if name in BY_OTHERS:
        return []
    return [
        b
        for b in found(page)
        if b.not_run is None
        and b.language in RUNNABLE
        and not (b.language == "python" and name in PYTHON_BY_OTHERS)
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page):
    for block in found(page):
        where = f"{name_of(page)}, line {block.line}"
        assert block.language in LANGUAGES, f"{where}: bash and python are run, text is not"
        first = block.code.split()[0] if block.code.split() else ""
        assert block.language == "bash" or first not in COMMANDS, (
            f"{where}: a command in a block of {block.language}"
        )
        assert block.not_run is None or len(block.not_run) > 10, where
        if block.not_run is None and name_of(page) not in BY_OTHERS:
            assert {command.split()[0] for command in block.commands} <= {"nowcast", "cat"}, where


def test_most_commands_are_run():
    """The count: `pytest -s` shows it."""
    run, left = 0, 0
    for page in PAGES:
        for block in found(page):
            many = (
                len(block.commands) + len(block.skipped)
                if block.language == "bash"
                else block.language == "python"
            )
            not_run = many if block.not_run is not None else len(block.skipped)
            run, left = run + many - not_run, left + not_run
    print(f"documentation: {run} commands and blocks of Python are run, {left} are marked with why not")
    assert run > left


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    from tests.fakes.documented_world import make_world

    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.parametrize("page", [p for p in PAGES if here(p)], ids=name_of)
def test_its_blocks_run_from_top_to_bottom(page, world, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    shutil.copytree(world, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(webbrowser, "open", lambda *_: True)
    names: dict = {"__name__": "page"}
    for block in here(page):
        if "pysteps" not in block.code or find_spec("pysteps") is not None:  # no part of what tests install
            run_block(block, name_of(page), names)
