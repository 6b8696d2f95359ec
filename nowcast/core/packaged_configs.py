"""The configurations that come with the package: `configs/` of a checkout, `nowcast/configs/` installed."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

from nowcast.core.errors import FileError, SettingsError, complain
from nowcast.core.plain_values import parse_yaml

KINDS = {
    "experiment": "nowcast train NAME",
    "bench": "nowcast bench NAME",
    "model": "nowcast models NAME",
    "ingest": "nowcast ingest --mapping NAME",
    "service": "nowcast cycle --config NAME",
}
"""Folder of a kind of configuration -> the command that takes one by name."""
_SUFFIXES = (".yaml", ".yml")


def configs_folder() -> Path:
    """The folder of the configurations: of the installed package, else of the checkout around it.

    Raises:
        FileError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "experiment").is_dir():
            return folder
    raise FileError(
        complain(str(package / "configs"), "no such folder", "the package's configurations", "install it again")
    )


@cache
def config_names(kind: str) -> tuple[str, ...]:
    """Names of one kind of `KINDS`, in order; what others only stand on (`base/`) is none of them."""
    return tuple(sorted(path.stem for path in (configs_folder() / kind).glob("*.yaml")))


def kinds_of(name: str) -> list[str]:
    """The kinds that have a configuration of this name."""
    return [kind for kind in KINDS if name in config_names(kind)]


def config_path(given: Path | str, kind: str) -> Path:
    """The file that a command means by what it was given: a path, or the name of a packaged configuration.

    What is there under that path is taken; then a name is looked up. A path that is absent is returned as it
    is, for its reader to refuse, unless its last part is a name: then the message says so.

    Raises:
        SettingsError: a name that no configuration of this kind has; the message lists near ones.
    """
    path = Path(given)
    name = path.stem if path.suffix in _SUFFIXES else path.name
    if path.is_file():
        return path
    if str(path) in config_names(kind):
        return configs_folder() / kind / f"{path}.yaml"
    if name in config_names(kind):
        raise SettingsError(complain(str(path), "no such file", "one that is there", f"'{name}' is packaged"))
    if path.suffix in _SUFFIXES or len(path.parts) != 1:
        return path
    raise SettingsError(complain(kind, f"'{given}'", "a YAML file or a packaged name", _near(str(path), kind)))


def base_path(folder: Path, base: str) -> Path:
    """The file that a configuration in ``folder`` names as base: a path, or a packaged experiment or bench."""
    path = folder / base
    if path.is_file() or Path(base).suffix in _SUFFIXES:
        return path
    for kind in ("experiment", "bench"):
        if base in config_names(kind):
            return configs_folder() / kind / f"{base}.yaml"
    return path


def find_named(name: str) -> Path:
    """The file of a packaged configuration: NAME, KIND/NAME where two kinds share one, or KIND/base/NAME.

    Raises:
        SettingsError: no such name, or one that several kinds have.
    """
    folder, short = configs_folder(), name.removesuffix(".yaml")
    direct = folder / f"{short}.yaml"
    if "/" in short and direct.is_file() and direct.resolve().is_relative_to(folder.resolve()):
        return direct
    kinds = kinds_of(short)
    if len(kinds) == 1:
        return folder / kinds[0] / f"{short}.yaml"
    if kinds:
        either = " or ".join(f"{kind}/{short}" for kind in kinds)
        raise SettingsError(complain("configuration", f"'{name}'", "a name that one kind has", f"say {either}"))
    raise SettingsError(complain("configuration", f"'{name}'", "a packaged name", _near(short, None)))


def told(path: Path) -> str:
    """One line about a configuration: its title, else the first sentence of the comment that it opens with."""
    text = path.read_text(encoding="utf-8")
    title = next((line[6:].strip() for line in text.splitlines() if line.startswith("title:")), "")
    if title:
        return str(parse_yaml(title))
    words = " ".join(line.lstrip("# ") for line in head_comment(text))
    return words.split(". ")[0].rstrip(".:,")


def head_comment(text: str) -> list[str]:
    """The lines of the comment that a file opens with."""
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return lines[:end]


def _near(name: str, kind: str | None) -> str:
    """What to do about a name that is not there: the near ones, or the command of the kind it is of."""
    if kind is not None and (others := kinds_of(name)):
        return f"that is for '{KINDS[others[0]].replace('NAME', name)}'"
    known = [n for one in ([kind] if kind else KINDS) for n in config_names(one)]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    listed = "see 'nowcast configs list'"
    return f"did you mean {' or '.join(near)}? {listed}" if near else listed
