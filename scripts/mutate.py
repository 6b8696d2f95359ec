"""Single mistakes put into a copy of the code, one at a time: do the tests that belong to it notice?

The mistakes stand in `scripts/mutations.toml`, by file. The working tree is never touched. Tests marked `slow`
are left out. Usage: python scripts/mutate.py [--list] [--only NAME ...] [--jobs N]; NAME is a mistake or the
start of its name, such as ``scores`` or ``core/times``. Ends with 0 where at least 90 % are caught.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[1]
MUTATIONS = ROOT / "scripts" / "mutations.toml"
COPIED = ("nowcast", "tests", "scripts", "configs", "docs")
LEAST_CAUGHT = 0.9
_TIMEOUT_S = 900
_FAILED = 1
"""What pytest ends with where tests ran and some failed; any other code but 0 is no verdict."""


@dataclass(frozen=True)
class Mutation:
    """One mistake: the text of a file that becomes another, and the tests that should notice."""

    name: str
    file: str
    was: str
    becomes: str
    tests: tuple[str, ...]
    reason: str = ""
    """Why it may survive."""

    def applied(self, source: str) -> str:
        """Return the source with the mistake in it.

        Raises:
            ValueError: the text does not stand in it exactly once, or would stay the same.
        """
        places = source.count(self.was)
        if places != 1 or self.was == self.becomes:
            raise ValueError(
                f"{self.name}: got {places} places of {self.was!r} in {self.file}, expected one "
                "that changes; bring scripts/mutations.toml up to date"
            )
        return source.replace(self.was, self.becomes)


@dataclass(frozen=True)
class Outcome:
    """What the tests said to one mistake."""

    mutation: Mutation
    caught: bool
    seconds: float
    said: str
    """The first failure, or the end of pytest's output."""


def read_mutations(path: Path = MUTATIONS) -> list[Mutation]:
    """Read the list: a table a file of the package, with its tests and the mistakes by name."""
    found = []
    for file, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
        module = file.removeprefix("nowcast/").removesuffix(".py")
        for name, mistake in table["mistakes"].items():
            tests = tuple(mistake.get("tests", table["tests"]))
            found.append(
                Mutation(
                    f"{module}/{name}",
                    file,
                    mistake["was"],
                    mistake["becomes"],
                    tests,
                    mistake.get("reason", ""),
                )
            )
    return found


def chosen(mutations: Iterable[Mutation], only: Sequence[str]) -> list[Mutation]:
    """Return those whose name starts with one of ``only``; all where it is empty.

    Raises:
        ValueError: one that starts none.
    """
    every = list(mutations)
    for start in only:
        if not any(m.name.startswith(start) for m in every):
            raise ValueError(f"--only {start}: got a name that no mutation starts with; see --list")
    return [m for m in every if not only or m.name.startswith(tuple(only))]


def copied(folder: Path) -> Path:
    """Copy the tree into ``folder``, with byte code that is checked by content.

    Why: byte code is usually checked by size and second, which two mistakes may share.
    """
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (p for p in ROOT.iterdir() if p.is_file() and not p.name.startswith(".")):
        shutil.copy2(file, folder)
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "nowcast"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def pytest(tree: Path, tests: Sequence[str]) -> tuple[int | None, str]:
    """Run unmarked tests in a copy up to the first failure: exit code, None after a timeout, and the output."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    env = {**os.environ, **single, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", *tests]
    try:
        done = subprocess.run(
            command, cwd=tree, env=env, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None, "no end"
    return done.returncode, done.stdout + done.stderr


def tried(tree: Path, mutation: Mutation) -> Outcome:
    """Put one mistake into a copy, run its tests, and take it out again.

    Raises:
        RuntimeError: the tests could not be run, so that they said nothing.
    """
    began, file = time.monotonic(), tree / mutation.file
    source = file.read_text(encoding="utf-8")
    file.write_text(mutation.applied(source), encoding="utf-8")
    try:
        code, output = pytest(tree, mutation.tests)
    finally:
        file.write_text(source, encoding="utf-8")
    if code not in (0, _FAILED, None):
        raise RuntimeError(f"{mutation.name}: pytest ended with {code}\n{output[-2000:]}")
    lines = output.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return Outcome(mutation, code != 0, time.monotonic() - began, (failed or lines or [""])[-1])


def run(mutations: Sequence[Mutation], jobs: int) -> Iterator[Outcome]:
    """Try every mistake, ``jobs`` at a time, each in a copy of its own.

    Raises:
        ValueError: a mistake whose text is not there.
        RuntimeError: tests that fail without any mistake, or cannot be run.
    """
    for mutation in mutations:
        mutation.applied((ROOT / mutation.file).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="nowcast-mutate-") as folder:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(jobs):
            trees.put(copied(Path(folder) / str(number)))
        tree = trees.get()
        code, output = pytest(tree, sorted({test for m in mutations for test in m.tests}))
        if code != 0:
            raise RuntimeError(f"without any mistake pytest ended with {code}\n{output[-2000:]}")
        trees.put(tree)

        def one(mutation: Mutation) -> Outcome:
            tree = trees.get()
            try:
                return tried(tree, mutation)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(one, mutations)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mistakes, print what became of each, and the share that was caught."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--list", action="store_true", help="print the mistakes and end")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="those whose names start so")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="tests at a time (1)")
    args = parser.parse_args(arguments)
    mutations = chosen(read_mutations(), args.only)
    if args.list:
        for m in mutations:
            print(f"{m.name}: {' '.join(m.was.split())}  ->  {' '.join(m.becomes.split())}")
        return 0
    outcomes = []
    for found in run(mutations, args.jobs):
        outcomes.append(found)
        word = "caught  " if found.caught else "SURVIVED"
        print(f"{word} {found.mutation.name} ({found.seconds:.0f} s): {found.said[:140]}", flush=True)
    caught = sum(found.caught for found in outcomes)
    share = caught / len(outcomes)
    print(f"{caught} of {len(outcomes)} caught, {share:.1%}")
    for found in outcomes:
        if not found.caught:
            print(f"survived: {found.mutation.name}: {found.mutation.reason or 'no test notices'}")
    return 0 if share >= LEAST_CAUGHT else 1


if __name__ == "__main__":
    sys.exit(main())
