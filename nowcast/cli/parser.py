"""The parser of the command line: of one command as a rule, of all for completion and for the reference."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Container, Mapping, Sequence
from typing import Any

from nowcast.cli.help_page import EXIT_CODES, HelpPage, HelpText, add_help_page

SHELLS = ("bash", "zsh", "fish")
_EPILOG = (
    """The main job:
  nowcast ingest   radar/ --archive italy.zarr
  nowcast forecast --archive italy.zarr --model motionrnn --out nowcast.nc
  nowcast verify   --archive italy.zarr --models motionrnn --period 2025-03-21/2025-03-22 --out skill/

Nothing at hand yet? 'nowcast demo' does all of it on storms that it makes up. 'nowcast COMMAND --help' has
examples of each command, 'nowcast doctor' says what this machine has and what will be slow on it.

Completion of commands, options and names by TAB:
  nowcast --print-completion bash > ~/.local/share/bash-completion/completions/nowcast
  nowcast --print-completion zsh  > "${fpath[1]}/_nowcast"
  nowcast --print-completion fish > ~/.config/fish/completions/nowcast.fish

Exit codes: """
    + EXIT_CODES
)


def module_of(command: str) -> Any:
    """The module of a command: it has ``HELP``, ``add_arguments(parser)`` and ``run(args)``."""
    return importlib.import_module(f"nowcast.cli.{command.replace('-', '_')}")


def page_of(command: str) -> HelpPage | None:
    """The help of a command beyond its options, if it has any."""
    found: HelpPage | None = getattr(module_of(command), "HELP", None)
    return found


def build_parser(commands: Mapping[str, str], filled: Container[str]) -> argparse.ArgumentParser:
    """Build the parser; only the commands in ``filled`` are imported and have their arguments.

    Args:
        commands: name -> one line of help.
        filled: which of them; a command line needs the one that it names.
    """
    parser = argparse.ArgumentParser(
        prog="nowcast",
        description="Weather nowcasting around radar sequences: from radar files to verified nowcasts.",
        epilog=_EPILOG,
        formatter_class=HelpText,
    )
    parser.add_argument("--version", action=_Version, help="print the version, and what it runs on")
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        commands=commands,
        help="print the completion script of a shell",
    )
    parts = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in commands.items():
        sub = parts.add_parser(name, help=text, description=text)
        if name in filled:
            module_of(name).add_arguments(sub)
            page = page_of(name)
            if page is not None:
                add_help_page(sub, page)
    return parser


class _Version(argparse.Action):
    """Prints the version, of which commit where it runs from a checkout, and what it runs on."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from nowcast.core.files import provenance

        made = {name: text for name, text in provenance().items() if text != "unknown"}
        print(f"nowcast {made.pop('nowcast')} ({', '.join(' '.join(pair) for pair in made.items())})")
        parser.exit()


class _PrintCompletion(argparse.Action):
    """Prints the completion script of a shell, of all commands."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        commands: Mapping[str, str],
        help: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(
            option_strings, argparse.SUPPRESS, choices=SHELLS, default=argparse.SUPPRESS, help=help
        )
        self._commands = commands

    def __call__(self, parser: argparse.ArgumentParser, _namespace: object, values: Any, *_: object) -> None:
        from nowcast.cli.completion import completion

        if importlib.util.find_spec("shtab") is None:
            parser.exit(2, "nowcast: completion needs the library 'shtab': pip install shtab\n")
        print(completion(build_parser(self._commands, self._commands), str(values)))
        parser.exit()
