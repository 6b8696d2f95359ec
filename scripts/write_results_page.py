"""Write docs/reference/results.md from what `nowcast bench` wrote: tables, the command, a sentence each.

    python scripts/write_results_page.py FOLDER [--out docs/reference/results.md]

FOLDER has a folder with ``results.md`` for each table, called as its configuration. `results_tables.yaml`
beside this script has the head of the page and names the tables in their order, with the sentence that says
what may be concluded; a table that has no results is left out and named. Numbers are those that the command
wrote, none is changed; pictures go beside the page where the file asks for them.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from nowcast.core.files import whole_file
from nowcast.core.settings import build, read_yaml

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Shown:
    """A table of the page."""

    name: str
    """Of its configuration, and of its folder."""
    conclusion: str
    digits: bool = True
    """It takes ``--data``."""
    pictures: tuple[str, ...] = ()
    """Files of its folder that the page shows."""


@dataclass(frozen=True)
class Page:
    """All tables of the page."""

    head: str
    tables: tuple[Shown, ...]


def section(table: Shown, results: Path, beside: Path) -> str:
    """The section of one table; its pictures are copied beside the page."""
    text = results.read_text(encoding="utf-8")
    text = re.sub(r"^!\[.*\]\(.*\)\n*", "", text, flags=re.MULTILINE)
    title, rest = text.split("\n", 1)
    rest = re.sub(r"^(#+) ", r"#\1 ", rest, flags=re.MULTILINE).strip()
    data = " --data mnist" if table.digits else ""
    lines = [
        f"## {title.lstrip('# ')}",
        "",
        f"`nowcast bench {table.name}{data} --runs results/runs --out results/{table.name}`",
        "",
        textwrap.fill(table.conclusion, 140),
        "",
        rest,
        "",
    ]
    for picture in table.pictures:
        copy = beside / f"results_{table.name}_{Path(picture).name}"
        shutil.copyfile(results.parent / picture, copy)
        lines += [f"![{Path(picture).stem} of {table.name}]({copy.name})", ""]
    return "\n".join(lines)


def main() -> int:
    """Write the page; name what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "reference" / "results.md")
    args = parser.parse_args()
    page = build(Page, read_yaml(Path(__file__).with_name("results_tables.yaml")))
    found = [(t, args.folder / t.name / "results.md") for t in page.tables]
    sections = [section(table, path, args.out.parent) for table, path in found if path.exists()]
    with whole_file(args.out) as part:
        part.write_text("\n".join([page.head, *sections]).rstrip() + "\n", encoding="utf-8")
    for table, path in found:
        if not path.exists():
            print(f"missing: {table.name} (no {path})", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
