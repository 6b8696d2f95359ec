"""Ctrl-C and SIGTERM: a long command ends in good order, within seconds wherever it stands."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

GRACE_SECONDS = 2.0
"""So long the main thread has to come to a place where it can end."""
LEAVING_SECONDS = 1.5
"""So long it has to leave once it began to."""


class Interrupted(BaseException):
    """A signal asked the command to end. Not an error."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interruption:
    """Listens to SIGINT and SIGTERM while its block runs; a second signal ends the process at once.

    By default `Interrupted` is raised where the main thread stands. While ``deferred`` is set, the signal is
    only noted and the main thread asks for it (`asked`, `leave`). One call of a library can last longer than a
    user waits, and Python handles no signal meanwhile: where ``told`` is given, a thread then saves what there
    is, writes that line to standard error and ends the process with the exit code 128 + number (`end`).

    Args:
        told: from the checkpoint to go on from, if there is one, to a line that says how ("" where another
            process says it). None never ends the process by force.
    """

    def __init__(self, told: Callable[[Path | None], str] | None = None) -> None:
        self._told = told
        self.save: Callable[[], Path | None] = lambda: None
        """Saves what there is to go on from, from any thread, and returns its path."""
        self.deferred = False
        self.asked: int | None = None
        """Number of the signal that came."""
        self._numbers = (signal.SIGINT, signal.SIGTERM)
        self._before: dict[int, signal.Handlers | int | Callable[[int, FrameType | None], object] | None] = {}
        self._left, self._end = threading.Event(), threading.Lock()

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in self._numbers}
            self.listen()
            if self._told is not None:
                self._ear, self._mouth = socket.socketpair()
                self._mouth.setblocking(False)
                self._fd = signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
                threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._left.set()
        if self._before and self._told is not None:
            signal.set_wakeup_fd(self._fd)
            self._mouth.close()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def listen(self) -> None:
        """Take the signals (again, where a library has taken them meanwhile)."""
        if self._before:
            for number in self._numbers:
                signal.signal(number, self._note)

    def end(self, number: int) -> NoReturn:
        """Save what there is, say how to go on and end the process and those it started, now.

        Why not by way of Python's own end: that waits for threads, pools and their work.
        """
        try:
            found = self.save()
            if line := "" if self._told is None else self._told(found):
                os.write(2, f"\n{line}\n".encode())
            for child in multiprocessing.active_children():
                child.terminate()
        finally:
            os._exit(128 + number)

    def leave(self) -> None:
        """Claim the end for the main thread, which saves and raises `Interrupted` next."""
        if not self._end.acquire(blocking=False):
            threading.Event().wait()  # the other thread is about to end the process

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.asked = self.asked or number
        for mine in self._numbers:
            signal.signal(mine, signal.SIG_DFL)
        if not self.deferred:
            self.leave()
            raise Interrupted(number)

    def _watch(self) -> None:
        number = 0
        while number not in self._numbers:
            heard = self._ear.recv(1)
            if not heard:  # the block has ended
                self._ear.close()
                return
            number = heard[0]
        self.asked = self.asked or number
        if self._left.wait(GRACE_SECONDS):
            return
        if not self._end.acquire(blocking=False) and self._left.wait(LEAVING_SECONDS):
            return
        self.end(number)
