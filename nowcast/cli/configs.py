"""`nowcast configs`: the configurations that come with the package: list them, show one, copy one to change."""

from __future__ import annotations

import argparse
from pathlib import Path

from nowcast.cli.help_page import HelpPage
from nowcast.core.packaged_configs import KINDS

HELP = HelpPage(
    """The configurations that come with the package go by their name wherever one is asked for:
experiments with 'nowcast train', tables with 'nowcast bench', rows of papers with 'nowcast models',
mappings of files with 'nowcast ingest --mapping', services with 'nowcast cycle --config'.

A copy is whole: what a file stands on (its base) is merged in, so that everything that may be changed
is in it. A short file of your own does as well: with 'base: italy_motionrnn' it stands on the packaged
one.""",
    examples=(
        ("nowcast configs list", "all of them"),
        ("nowcast configs list experiment", "of one kind"),
        ("nowcast configs show italy_motionrnn", "as it is written"),
        ("nowcast configs show italy_motionrnn --whole", "with what it stands on"),
        ("nowcast configs copy italy_motionrnn own.yaml", "as a file to change; then: nowcast train own.yaml"),
    ),
    see=("nowcast train", "nowcast bench", "docs/reference/configuration.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of every part of the command."""
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    listed = parts.add_parser("list", help="what there is, with one line each")
    listed.add_argument("kind", nargs="?", choices=tuple(KINDS), help="only these")
    listed.add_argument("--json", action="store_true", help="for programs")
    show = parts.add_parser("show", help="print one as it is written")
    show.add_argument("name", metavar="NAME", help="as 'nowcast configs list' has it")
    show.add_argument("--whole", action="store_true", help="with what it stands on (its base) merged in")
    copy = parts.add_parser("copy", help="write one as a file of its own, to be changed")
    copy.add_argument("name", metavar="NAME", help="as 'nowcast configs list' has it")
    copy.add_argument(
        "to", nargs="?", type=Path, default=Path(), metavar="TO", help="a file or a folder (this folder)"
    )
    copy.add_argument("--overwrite", action="store_true", help="take the place of a file that is there")


def run(args: argparse.Namespace) -> int:
    """List, print or copy."""
    from nowcast.core.packaged_configs import find_named

    if args.part == "list":
        _list(args.kind, args.json)
        return 0
    path = find_named(args.name)
    if args.part == "show":
        print((_whole(path) if args.whole else path.read_text(encoding="utf-8")).rstrip("\n"))
        return 0
    target = _copy(path, args.to, args.overwrite)
    use = KINDS.get(path.parent.name, "base: NAME in a file of yours").replace("NAME", str(target))
    print(f"{target}: copied from {path.parent.name}/{path.stem}; use it with: {use}")
    return 0


def _list(kind: str | None, as_json: bool) -> None:
    import json

    from nowcast.core.packaged_configs import config_names, configs_folder, told

    found = {
        one: {name: told(configs_folder() / one / f"{name}.yaml") for name in config_names(one)}
        for one in ([kind] if kind else KINDS)
    }
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    for one, names in found.items():
        print(f"{one} ({KINDS[one]})")
        width = max(map(len, names), default=0)
        print("\n".join(f"  {name:<{width}}  {text}" for name, text in names.items()))


def _copy(path: Path, to: Path, overwrite: bool) -> Path:
    """Write the whole configuration to ``to``; a file that is there stays unless told otherwise."""
    from nowcast.core.errors import FileError, complain
    from nowcast.core.files import check_place, replace_bytes

    target = to / path.name if to.is_dir() or to.suffix not in (".yaml", ".yml") else to
    if target.exists() and not overwrite:
        raise FileError(
            complain(str(target), "a file that is there", "a new one", "name another or --overwrite")
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    check_place(target)
    replace_bytes(target, _whole(path).encode())
    return target


def _whole(path: Path) -> str:
    """The text of a configuration with all that it stands on merged in; one without a base as it is written.

    Why merged: a copy is there to be changed, and what one changes first (where the data lies, which days
    train) stands in the base. The comments that the files open with are kept, those between settings are not.
    """
    import yaml

    from nowcast.core.packaged_configs import head_comment
    from nowcast.core.settings import read_layered, read_yaml

    heads, below = [], path
    while True:
        heads += [head_comment(below.read_text(encoding="utf-8"))]
        base = read_yaml(below).get("base")
        if base is None:
            break
        below = below.parent / str(base)
    if len(heads) == 1:
        return path.read_text(encoding="utf-8")
    comment = "\n#\n".join("\n".join(lines) for lines in heads)
    values = yaml.safe_dump(
        read_layered(path), sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )
    return f"{comment}\n{values}"
