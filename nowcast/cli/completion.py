"""Completion scripts of the shells: commands, options, files, and the names that come with the package."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nowcast.cli.help_page import parts_of

_CONFIGS = {
    ("train", "config"): "experiment",
    ("bench", "config"): "bench",
    ("models", "rows"): "model",
    ("ingest", "mapping"): "ingest",
    ("cycle", "config"): "service",
    ("watch", "config"): "service",
    ("status", "config"): "service",
    ("configs show", "name"): "",
    ("configs copy", "name"): "",
}
"""Command and argument that take a packaged configuration -> the kind of it; "" is any kind."""
_MODELS = {
    ("forecast", "model"),
    ("hindcast", "model"),
    ("at", "model"),
    ("motion", "model"),
    ("models", "card"),
}


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script of a shell for a parser that has the arguments of every command.

    The script stands alone: no TAB starts Python.
    """
    import shtab

    for command, part in _every(parser, ""):
        for action in part._actions:
            if isinstance(action, argparse._SubParsersAction) or action.choices or action.nargs == 0:
                continue
            names = _names(command, action.dest)
            if names:
                action.complete = _names_or_files(action.dest, command, names)  # type: ignore[attr-defined]
            elif action.type is Path or action.dest in ("archive", "out", "json"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    found: str = shtab.complete(parser, shell=shell)
    return found


def _every(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for part_name, part in parts_of(parser).items():
        yield from _every(part, f"{name} {part_name}".strip())


def _names(command: str, argument: str) -> list[str]:
    """What an argument can be besides a file."""
    from nowcast.core.packaged_configs import KINDS, config_names

    if (command, argument) in _MODELS:
        from nowcast.forecasters.catalog import FORECASTERS
        from nowcast.forecasters.registry import packaged_names

        return [*(() if argument == "card" else FORECASTERS), *packaged_names()]
    kind = _CONFIGS.get((command, argument))
    if kind is None:
        return []
    found = [name for one in ([kind] if kind else KINDS) for name in config_names(one)]
    if command == "models":
        from nowcast.models.catalog import MODELS

        return [*MODELS, *found]
    return found


def _names_or_files(argument: str, command: str, names: list[str]) -> Any:
    """Words and files for one argument, in the language of each shell."""
    function = f"_nowcast_{command.replace(' ', '_')}_{argument}"
    words = " ".join(names)
    of_fish = f"  printf '%s\\n' {words}\n  __fish_complete_path (commandline -ct)"
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({function})",
        "preamble": {
            "bash": f'{function}() {{ compgen -W "{words}" -- "$1"; compgen -f -- "$1"; }}',
            "zsh": f"{function}() {{ _alternative 'names:packaged:({words})' 'files:file:_files' }}",
            "fish": f"function {function}\n{of_fish}\nend",
        },
    }
