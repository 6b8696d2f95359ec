"""Which stage a longer job is at: shown once it takes a while, for work whose share done nobody can tell."""

from __future__ import annotations

import contextlib
import sys
import threading

from tqdm import tqdm

SHOWN_AFTER_S = 5.0
_TERMINAL_S, _LOG_S = 1.0, 10.0
"""Seconds between two pictures of the bar on a terminal and in a log."""


class Stages(contextlib.AbstractContextManager["Stages"]):
    """Shows a bar over the stages of a job, with the name of the one at work and the time since the begin.

    A thread draws it, as one stage may be a single call into a library.

    Args:
        what: the job.
        count: how many stages there will be, as far as is known.
        shown: False shows nothing.
        after_s: seconds before anything is shown.
    """

    def __init__(self, what: str, count: int, shown: bool, after_s: float = SHOWN_AFTER_S) -> None:
        self._what, self._count, self._after_s = what, count, after_s
        self._name, self._begun = "", 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True) if shown else None

    def __enter__(self) -> Stages:
        if self._thread is not None:
            self._thread.start()
        return self

    def __call__(self, name: str, left: int | None = None) -> None:
        """Begin the next stage; ``left`` are to come after it, where that is better known now."""
        self._name, self._begun = name, self._begun + 1
        self._count = self._count if left is None else self._begun + left

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _draw(self) -> None:
        if self._ended.wait(self._after_s):
            return
        often = _TERMINAL_S if sys.stderr.isatty() else _LOG_S
        form = "{desc}: {n}/{total}|{bar:10}| {elapsed}{postfix}"
        with tqdm(total=self._count, desc=self._what, bar_format=form, leave=False, delay=1e-9) as bar:
            bar.start_t -= self._after_s  # the delay leaves out a first picture without a stage
            while True:
                bar.n, bar.total = max(0, self._begun - 1), self._count
                bar.set_postfix_str(self._name)
                if self._ended.wait(often):
                    return
