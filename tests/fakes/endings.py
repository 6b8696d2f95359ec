"""How a command ends: its exit code and its words, held to the rule "one line, exit code 2, below 5 s"."""

import contextlib
import io
import time
import warnings
from collections import Counter

import pytest

from nowcast.cli.main import main

SECONDS = 5.0
TRIED: Counter[str] = Counter()
"""Kind of input -> how many were tried; the fuzz tests print it when they have ended."""


def ended(arguments, seconds=SECONDS, kind=""):
    """Run a command; return its exit code (0 or 2), its one line of error, and what it printed.

    Warnings are no failure of the command here; an exception is.
    """
    out, err = io.StringIO(), io.StringIO()
    began = time.perf_counter()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        patch.setenv("NOWCAST_TRACEBACK", "1")
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stopped:  # argparse
            code = stopped.code
    took = time.perf_counter() - began
    said = err.getvalue()
    lines = [line for line in said.splitlines() if line.startswith(f"nowcast {arguments[0]}: ")]
    assert code in (0, 2), (arguments, code, said)
    assert "Traceback" not in said, (arguments, said)
    assert len(lines) == (code == 2), (arguments, said)
    assert took < seconds, (arguments, took)
    if kind:
        TRIED[kind] += 1
        TRIED[f"{kind}, refused"] += code == 2
    return code, "".join(lines), out.getvalue()
