"""The code blocks of a page of the documentation, and a run of them: Python, and commands of `nowcast`.

A block is run unless a comment right above its fence says why not:

    <!-- not run: it needs a GPU -->

which the site shows; a comment behind a command, ``# not run: why``, leaves out that one. Blocks of a page
share a folder and a namespace, from top to bottom.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTE = re.compile(r"<!-- not run: (?P<why>[^>]+?) -->\s*\Z", flags=re.S)
_FENCE = re.compile(r"^```(?P<language>[\w{}:-]*)[^\n]*\n(?P<code>.*?)^```$", flags=re.M | re.S)
_HEREDOC = re.compile(r"cat > (?P<file>\S+) <<'(?P<end>\w+)'\n(?P<text>.*?)^(?P=end)$", flags=re.M | re.S)
_LEFT_OUT = "# not run: "
RUNNABLE = ("bash", "python")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    code: str
    line: int
    not_run: str | None
    """Why it is not run; None where it is."""

    @property
    def commands(self) -> list[str]:
        """What a block of bash runs, one command each, comments and continued lines resolved."""
        return [line for line in self._lines() if _LEFT_OUT not in line]

    @property
    def skipped(self) -> list[str]:
        """The commands whose comment says ``not run: why``."""
        return [line for line in self._lines() if _LEFT_OUT in line]

    def _lines(self) -> list[str]:
        if self.language != "bash":
            return []
        lines = _HEREDOC.sub(lambda m: f"cat > {m['file']}", self.code).replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def blocks(text: str) -> list[Block]:
    """Every fenced block of a page."""
    found = []
    for match in _FENCE.finditer(text):
        note = NOTE.search(text[: match.start()])
        why = " ".join(note["why"].split()) if note else None
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(match["language"], match["code"], line, why))
    return found


def run_block(block: Block, page: str, names: dict[str, Any]) -> None:
    """Run one block in the working directory.

    Args:
        block: of Python, or of commands of `nowcast` and files written by ``cat > NAME <<'END'``.
        page: its page, for messages.
        names: the namespace of the page.

    Raises:
        RuntimeError: a command ended with another exit code than 0, or none that can be run here.
    """
    where = f"{page}, line {block.line}"
    if block.language == "python":
        exec(compile(block.code, where, "exec"), names)
        return
    for match in _HEREDOC.finditer(block.code):
        Path(match["file"]).write_text(match["text"], encoding="utf-8")
    for command in block.commands:
        words = shlex.split(command, comments=True)
        if words[:2] == ["cat", ">"]:
            continue
        if words[0] != "nowcast":
            raise RuntimeError(f"{where}: '{command}' is no command of nowcast; say above the block why not")
        from nowcast.cli.main import main

        try:
            code = main(words[1:])
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 2
        if code:
            raise RuntimeError(f"{where}: '{command}' ended with exit code {code}")
