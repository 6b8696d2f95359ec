"""``nowcast formats``: the files that can be read, and the state of the libraries that some of them need."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from nowcast.cli.help_page import HelpPage

if TYPE_CHECKING:
    from nowcast.ingestion.readers.base import FormatDescription, Reader

_COLUMNS = ("reader", "files", "quantities", "library")

HELP = HelpPage(
    """Lists the formats that 'nowcast ingest' knows, what each may measure, and whether the optional
library that some need is here; where it is not, the line says how to install it.""",
    examples=(("nowcast formats", "as a table"), ("nowcast formats --json", "for programs")),
    see=("nowcast doctor", "docs/howto/ingest-radar-files.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Print one line a reader, then the polar and the mapped kinds; 0 whatever the state of their libraries."""
    from nowcast.core.text_table import text_table
    from nowcast.ingestion.mapped.reader import KINDS
    from nowcast.ingestion.polar.formats import described
    from nowcast.ingestion.readers.catalog import READERS
    from nowcast.ingestion.readers.plug_ins import plug_ins

    rows = [_row(name, reader, "") for name, reader in READERS.items()]
    others = plug_ins(frozenset(READERS))
    rows += [_row(one.name, one.reader, one.origin) for one in others if one.reader is not None]
    broken = [{"reader": one.name, "from": one.origin, "fault": one.fault} for one in others if one.fault]
    polar = [_told("--polar METHOD", kind, "") for kind in described()]
    mapped = [_told("--mapping FILE.yaml", kind, "") for kind in KINDS]
    if args.json:
        print(json.dumps({"readers": rows, "polar": polar, "mapped": mapped, "broken": broken}, indent=1))
        return 0
    lines = ([row[column] for column in _COLUMNS] for row in (*rows, *polar, *mapped))
    print(text_table([_COLUMNS, *lines], left=len(_COLUMNS)))
    for one in broken:
        print(f"not used: '{one['reader']}' of {one['from']} {one['fault']}")
    return 0


def _row(name: str, reader: Reader, origin: str) -> dict[str, str]:
    from nowcast.ingestion.readers.base import FormatDescription

    told = getattr(reader, "description", None)
    if not isinstance(told, FormatDescription):
        first = (type(reader).__doc__ or "not described").strip().split("\n\n")[0]
        told = FormatDescription(" ".join(first.split()), "not described")
    return _told(name, told, origin)


def _told(name: str, told: FormatDescription, origin: str) -> dict[str, str]:
    from nowcast.core.errors import printable

    library = _state(told) if told.library else "none needed"
    row = {
        "reader": name,
        "files": told.files,
        "quantities": told.quantities,
        "library": f"{library}; from {origin}" if origin else library,
    }
    return {key: printable(text)[:200] for key, text in row.items()}


def _state(told: FormatDescription) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{told.library} {version(told.library)}"
    except PackageNotFoundError:
        remedy = f"nowcast[{told.extra}]" if told.extra else told.library
        return f"{told.library} missing: pip install '{remedy}'"
