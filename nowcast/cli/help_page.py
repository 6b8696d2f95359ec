"""What `--help` says beyond the options: what a command is for, examples, exit codes, where to read on."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any, NamedTuple

EXIT_CODES = "0 done, 1 a fault of nowcast itself, 2 a mistake that you can mend, 130 Ctrl-C."


class HelpPage(NamedTuple):
    """The words of one command; each of its examples is parsed by a test."""

    text: str
    """What it is for, in paragraphs."""
    examples: tuple[tuple[str, str], ...]
    """Command lines, each with what it is an example of."""
    exit_codes: str = EXIT_CODES
    again: str = ""
    """What Ctrl-C leaves behind and how to go on, as the end of a sentence."""
    see: tuple[str, ...] = ()
    """Other commands (`nowcast info`) and pages (`docs/howto/grids.md`)."""


class HelpText(argparse.RawDescriptionHelpFormatter):
    """Wraps paragraphs to the width of the terminal and leaves indented lines as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.split("\n\n")
        kept = [p if "\n  " in p else textwrap.fill(" ".join(p.split()), width) for p in parts]
        return textwrap.indent("\n\n".join(kept), indent)


def add_help_page(parser: argparse.ArgumentParser, page: HelpPage) -> None:
    """Put a page around the options of a command, and its examples under those of its parts."""
    parser.formatter_class = HelpText
    head = f"{parser.description}.\n\n" if parser.description else ""
    parser.description = head + page.text
    codes = f"Exit codes: {page.exit_codes}"
    again = f"Ctrl-C: {page.again}" if page.again else ""
    see = f"See also: {', '.join(page.see)}" if page.see else ""
    parser.epilog = "\n\n".join(filter(None, (_listed(page.examples), codes, again, see)))
    for name, part in parts_of(parser).items():
        own = tuple(each for each in page.examples if each[0].split()[2:3] == [name])
        part.formatter_class = HelpText
        part.epilog = _listed(own) if own else None


def parts_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parts that a command has, such as those of `nowcast archive`."""
    found: dict[str, Any] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def _listed(examples: tuple[tuple[str, str], ...]) -> str:
    lines = ["Examples:"]
    for command, what in examples:
        lines += [f"  # {what}", *(f"  {line}" for line in command.splitlines())]
    return "\n".join(lines)
