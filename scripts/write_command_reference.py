"""Write docs/reference/commands.md from the parsers of the command line: every command, argument and option.

    python scripts/write_command_reference.py

A test holds the page against the parsers: after a change of an option, run this once more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from nowcast.cli.help_page import add_help_page
from nowcast.cli.main import COMMANDS
from nowcast.cli.parser import module_of, page_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "commands.md"
HEAD = """# Commands

Every command with its arguments and options, as `nowcast COMMAND --help` shows them. This page is written
from the parsers by `python scripts/write_command_reference.py`.

"""


def page() -> str:
    """Return the whole page as Markdown."""
    index = [f"| [`nowcast {name}`](#nowcast-{name}) | {_cell(text)} |" for name, text in COMMANDS.items()]
    parts = [HEAD + "\n".join(["| command | what it does |", "|---|---|", *index])]
    for name, text in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"nowcast {name}", description=text)
        module_of(name).add_arguments(parser)
        if (told := page_of(name)) is not None:
            add_help_page(parser, told)
        parts += _command(parser, f"## nowcast {name}", text)
    return "\n\n".join(parts) + "\n"


def _command(parser: argparse.ArgumentParser, heading: str, text: str) -> Iterator[str]:
    yield heading
    described = (parser.description or text or "").strip()
    yield described[:1].upper() + described[1:] + ("" if described.endswith((".", ":")) else ".")
    rows = [_row(a) for a in parser._actions if not _left_out(a)]
    if rows:
        yield "\n".join(["| argument | what it is |", "|---|---|", *rows])
    if parser.epilog:
        yield f"```text\n{parser.epilog.strip()}\n```"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, part in action.choices.items():
                yield from _command(part, f"#{heading} {name}", helps.get(name, ""))


def _left_out(action: argparse.Action) -> bool:
    return action.help == argparse.SUPPRESS or isinstance(
        action, argparse._HelpAction | argparse._SubParsersAction
    )


def _row(action: argparse.Action) -> str:
    """One line of the table: how the argument is written, and what its help says."""
    value = _value(action)
    names = ", ".join(f"`{' '.join([option, value]).strip()}`" for option in action.option_strings)
    needed = " (needed)" if action.option_strings and action.required else ""
    about = (action.help or "") % {"default": action.default, "prog": "nowcast"} if action.help else ""
    if action.choices is not None and action.metavar is not None:
        about += f" ({', '.join(map(str, action.choices))})"
    return f"| {names or f'`{value}`'} | {_cell(about)}{needed} |"


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    name = action.metavar or (
        ",".join(map(str, action.choices)) if action.choices else action.dest.upper().replace("_", "-")
    )
    first = name if isinstance(name, str) else " ".join(name)
    if action.choices and action.metavar is None:
        first = "{" + first + "}"
    many = {"+": f"{first} ...", "*": f"[{first} ...]", "?": f"[{first}]"}
    if isinstance(action.nargs, int) and isinstance(name, str):
        return " ".join([first] * action.nargs)
    return many.get(str(action.nargs), first).replace("|", "\\|")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
