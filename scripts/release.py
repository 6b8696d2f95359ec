"""Make a release: version, CHANGELOG and CITATION.cff brought into line, committed, tagged, not pushed.

    python scripts/release.py 0.2.0             # commit and tag v0.2.0, then a commit that begins 0.3.0.dev0
    python scripts/release.py --check v0.2.0    # do the files say what the tag says?
    python scripts/release.py --notes v0.2.0    # its part of the CHANGELOG

A release is refused on a tree with changes, under a version that is not above the last one, and without a word
under "Unreleased". Pushing the tag builds and publishes it (.github/workflows/release.yml).
"""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION, CHANGELOG, CITATION = Path("nowcast/core/version.py"), Path("CHANGELOG.md"), Path("CITATION.cff")
_HEADING = re.compile(r"^## (?:Unreleased|(\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d))$", flags=re.M)


class ReleaseError(Exception):
    """What stands in the way of a release, in one line."""


def sections(text: str) -> dict[str, tuple[str, str]]:
    """The parts of the CHANGELOG, newest first: version ("" for what is unreleased) -> its date and words."""
    found = list(_HEADING.finditer(text))
    ends = [m.start() for m in found[1:]] + [len(text)]
    return {m[1] or "": (m[2] or "", text[m.end() : end].strip()) for m, end in zip(found, ends, strict=True)}


def parts(version: str) -> tuple[int, ...]:
    """Major, minor and patch.

    Raises:
        ReleaseError: not three numbers.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"version: got '{version}', expected three numbers such as 0.2.0")
    return tuple(map(int, version.split(".")))


def check(root: Path, tag: str) -> str:
    """Hold the files against a tag; the version without its v.

    Raises:
        ReleaseError: a file says something else.
    """
    version = tag.removeprefix("v")
    parts(version)
    told = (root / VERSION).read_text(encoding="utf-8")
    if f'__version__ = "{version}"' not in told:
        raise ReleaseError(f"{VERSION}: names another version than {version}; tag the commit of the release")
    date, words = sections((root / CHANGELOG).read_text(encoding="utf-8")).get(version, ("", ""))
    if not words:
        raise ReleaseError(f"{CHANGELOG}: has nothing under {version}")
    cited = (root / CITATION).read_text(encoding="utf-8")
    if f"\nversion: {version}\n" not in cited or f'\ndate-released: "{date}"\n' not in cited:
        raise ReleaseError(f"{CITATION}: names another version or date than {version} of {date}")
    return version


def notes(root: Path, tag: str) -> str:
    """The part of the CHANGELOG that a release is announced with.

    Raises:
        ReleaseError: there is none.
    """
    version = tag.removeprefix("v")
    found = sections((root / CHANGELOG).read_text(encoding="utf-8"))
    if version not in found or not found[version][1]:
        raise ReleaseError(f"{CHANGELOG}: has nothing under {version}")
    return found[version][1]


def release(root: Path, version: str, date: str) -> list[str]:
    """Change the files, commit, tag, and begin the next version.

    Returns:
        What to do next, a command a line.

    Raises:
        ReleaseError: see the head of this file; nothing is changed then.
    """
    text = (root / CHANGELOG).read_text(encoding="utf-8")
    known = sections(text)
    newest = max((parts(v) for v in known if v), default=(0, 0, 0))
    if parts(version) <= newest:
        raise ReleaseError(f"version: got {version}, expected one above {'.'.join(map(str, newest))}")
    if not known.get("", ("", ""))[1]:
        raise ReleaseError(f"{CHANGELOG}: has nothing under Unreleased; say what is new")
    if _git(root, "status", "--porcelain"):
        raise ReleaseError("the tree has changes; commit them or put them away")
    if _git(root, "tag", "--list", f"v{version}"):
        raise ReleaseError(f"the tag v{version} is there already")
    heading = f"## Unreleased\n\n## {version} - {date}"
    (root / CHANGELOG).write_text(text.replace("## Unreleased", heading, 1), encoding="utf-8")
    cited = (root / CITATION).read_text(encoding="utf-8")
    cited = re.sub(r"^version: .*$", f"version: {version}", cited, flags=re.M)
    cited = re.sub(r"^date-released: .*$", f'date-released: "{date}"', cited, flags=re.M)
    (root / CITATION).write_text(cited, encoding="utf-8")
    _write_version(root, version)
    check(root, version)
    _git(root, "commit", "--all", "--message", f"Release {version}")
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"nowcast {version}")
    major, minor, _ = parts(version)
    _write_version(root, f"{major}.{minor + 1}.0.dev0")
    _git(root, "commit", "--all", "--message", f"After {version}")
    return ["bash scripts/test", f"git push origin HEAD v{version}"]


def _write_version(root: Path, version: str) -> None:
    told = (root / VERSION).read_text(encoding="utf-8")
    told = re.sub(r'^__version__ = ".*"$', f'__version__ = "{version}"', told, flags=re.M)
    (root / VERSION).write_text(told, encoding="utf-8")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"git {arguments[0]}: {' '.join(done.stderr.split())}")
    return done.stdout.strip()


def main(root: Path = ROOT) -> int:
    """Do what is asked for; 2 when something stands in the way."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], epilog="Nothing is pushed by this script."
    )
    parser.add_argument("version", help="such as 0.2.0; with --check and --notes the tag")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--check", action="store_true", help="hold the files against a tag")
    asked.add_argument("--notes", action="store_true", help="print its part of the CHANGELOG")
    args = parser.parse_args()
    try:
        if args.check:
            print(f"{check(root, args.version)}: the files say so, too")
        elif args.notes:
            print(notes(root, args.version))
        else:
            today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
            print("\n".join(["next:", *release(root, args.version, today)]))
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
