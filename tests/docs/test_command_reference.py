"""The page of commands is what the script writes of the parsers."""

import argparse
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import write_command_reference

    return write_command_reference


def test_the_page_equals_the_parsers(script):
    stored = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert stored == script.page(), "run: python scripts/write_command_reference.py"


def test_arguments_of_every_kind_are_written_as_they_are_typed(script):
    parser = argparse.ArgumentParser(prog="nowcast x", description="do x", epilog="nowcast x 1 2")
    parser.add_argument("files", nargs="+", help="a|b of <c>")
    parser.add_argument("--size", nargs=2, type=int, required=True, help="of it (%(default)s)", default=3)
    parser.add_argument("-f", "--fast", action="store_true", help="100 %% fast")
    parser.add_argument("--hidden", help=argparse.SUPPRESS)
    part = parser.add_subparsers(metavar="PART").add_parser("part", help="a part")
    part.add_argument("--mode", choices=["one", "two"])
    assert list(script._command(parser, "## nowcast x", "")) == [
        "## nowcast x",
        "Do x.",
        "| argument | what it is |\n|---|---|\n| `FILES ...` | a\\|b of \\<c> |\n"
        "| `--size SIZE SIZE` | of it (3) (needed) |\n| `-f`, `--fast` | 100 % fast |",
        "```text\nnowcast x 1 2\n```",
        "### nowcast x part",
        "A part.",
        "| argument | what it is |\n|---|---|\n| `--mode {one,two}` |  |",
    ]
