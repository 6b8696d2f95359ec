"""Build the site of the documentation: pages gathered, API reference written, Sphinx run strictly.

    pip install '.[docs]'
    python scripts/build_docs.py --out build/site

Warnings are errors: a page in no navigation, a link that leads nowhere, a docstring that cannot be shown.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages at the root of the project -> where they stand in the site."""
NOT_RUN = re.compile(r"^<!-- not run: (.*?) -->$", flags=re.M | re.S)


def gather(root: Path, out: Path) -> dict[str, str]:
    """Copy every page to ``out``, with code spans that name a page turned into links.

    Returns:
        Path in the project, such as ``docs/howto/grids.md`` -> path in the site.
    """
    shutil.copytree(root / "docs", out, dirs_exist_ok=True)
    pages = {f"docs/{p.relative_to(out)}": str(p.relative_to(out)) for p in _pages(out)}
    pages |= {name: place for name, place in ELSEWHERE.items() if (root / name).is_file()}
    for name, place in pages.items():
        if not name.startswith("docs/"):
            shutil.copy(root / name, out / place)
    for card in sorted((root / "nowcast" / "weights").glob("*.md")):
        if not card.name.endswith(".words.md"):
            place = f"reference/models/{card.name}"
            pages[f"nowcast/weights/{card.name}"] = place
            (out / "reference" / "models").mkdir(parents=True, exist_ok=True)
            shutil.copy(card, out / place)
    for place in pages.values():
        if place.endswith(".md"):
            _link(out / place, place, pages)
    return pages


def _pages(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix in (".md", ".ipynb"))


def _link(path: Path, place: str, pages: dict[str, str]) -> None:
    """Code spans such as `docs/howto/grids.md` become links, notes of blocks not run become visible."""
    up = "../" * place.count("/")
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)  # blocks are left as they are

    def linked(match: re.Match[str]) -> str:
        name = match[1]
        return f"[`{name}`]({up}{pages[name]})" if name in pages and pages[name] != place else match[0]

    def noted(match: re.Match[str]) -> str:
        return f"{{.not-run}}\n*Not run by the tests: {' '.join(match[1].split())}.*\n"

    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"(?<!\[)`([\w./-]+\.(?:md|ipynb))`", linked, NOT_RUN.sub(noted, parts[i]))
    path.write_text("".join(parts), encoding="utf-8")


def build(root: Path, out: Path, keep: Path | None = None) -> int:
    """Build the site of ``root`` into ``out``.

    Returns:
        The exit code of Sphinx: 0 when there was no warning.
    """
    from api_pages import write_api_pages
    from sphinx.cmd.build import main as sphinx

    with tempfile.TemporaryDirectory(prefix="nowcast-docs-") as scratch:
        pages = keep or Path(scratch) / "pages"
        gather(root, pages)
        write_api_pages(root, pages / "reference" / "api")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
        sys.path.insert(0, str(root))
        options = ["-b", "html", "-q", "-j", "2", "-W", "--keep-going", "-d"]
        return int(sphinx([*options, f"{scratch}/trees", str(pages), str(out)]))


def main() -> int:
    """Build, and say where the site is and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="folder of the site")
    parser.add_argument("--pages", type=Path, help="keep the gathered pages here")
    args = parser.parse_args()
    start = time.perf_counter()
    code = build(ROOT, args.out, args.pages)
    print(f"{args.out / 'index.html'}: {time.perf_counter() - start:.0f} s, exit code {code}")
    return code


if __name__ == "__main__":
    sys.exit(main())
