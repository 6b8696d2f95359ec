"""Files that were being read when a cycle died: they are read in a process of their own before any other.

Why: a file that crashes the library which reads it would otherwise end every cycle from then on.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_SECONDS_EACH = 60.0


def find_culprits(paths: Sequence[Path]) -> dict[Path, str]:
    """Give those of ``paths`` whose reading ends the process that does it, each with the reason.

    All are read by one child; where it dies, the file it had announced is the culprit and another
    child goes on behind it. Usually there is none: the cycle had died of something else.
    """
    culprits: dict[Path, str] = {}
    rest = list(paths)
    while rest:
        number, reason = _read_all(rest)
        if not reason:
            break
        culprits[rest[number]] = reason
        rest = rest[number + 1 :]
    return culprits


def _read_all(paths: Sequence[Path]) -> tuple[int, str]:
    """Have a child read the files; give the number of the one it ended at and why, or no reason."""
    command = [sys.executable, "-m", "nowcast.service.quarantine"]
    told = "\0".join(str(p) for p in paths).encode("utf-8", "surrogateescape")
    try:
        done = subprocess.run(
            command, input=told, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
            timeout=_SECONDS_EACH + len(paths),
        )  # fmt: skip
        output, reason = done.stdout, "" if done.returncode == 0 else "crashed its reader"
    except subprocess.TimeoutExpired as error:
        output, reason = error.stdout or b"", "kept its reader busy without end"
    number = max(len(output.split()) - 1, 0)
    return number, f"{paths[number]}: it {reason}; it is damaged, fetch it again" if reason else ""


def main() -> int:
    """Read every file named on standard input, announcing each by a line."""
    from nowcast.core.errors import NowcastError
    from nowcast.ingestion.readers.catalog import find_reader

    names = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\0")
    for number, name in enumerate(names):
        print(number, flush=True)
        try:
            field = find_reader(Path(name)).open(Path(name))
            for index in range(field.sizes["time"]):
                field[index].compute(scheduler="synchronous")
        except (NowcastError, OSError, ValueError, RuntimeError, KeyError):
            continue  # what can be said of it, the ingest says
    return 0


if __name__ == "__main__":
    sys.exit(main())
