"""A lock that the kernel drops when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from nowcast.core.errors import FileError, NowcastError

_LAST_SECONDS = 10.0
"""So long a holder that was killed may take to be gone altogether, its children included."""
_PAUSE = 0.02


class BusyError(NowcastError):
    """Somebody else holds a lock."""


@contextlib.contextmanager
def sole_holder(
    path: Path, busy: Callable[[str], NowcastError | None] = BusyError, remedy: str = "choose another place"
) -> Iterator[None]:
    """Hold the lock file ``path`` for the length of the block; its folder is made where there is none.

    Why ``flock``: the kernel releases it with the process, so a kill -9 leaves nothing to clean up. Children
    that a killed process had forked share its lock until they have ended, moments later; that is waited for.

    Args:
        path: the lock file; it stays.
        busy: called with the process id of the holder when somebody else holds it; returns the error to
            raise, or None to wait until the lock is free.
        remedy: what to do where the file cannot be made.

    Raises:
        FileError: the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise FileError(f"{path.parent}: cannot be written ({error.strerror}); {remedy}") from error
    try:
        _take(handle, busy)
        # What is written is for people only: a full disk must not stop anybody here.
        with contextlib.suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _take(handle: int, busy: Callable[[str], NowcastError | None]) -> None:
    patience = time.monotonic() + _LAST_SECONDS
    while not _is_free(handle):
        holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
        if _is_gone(holder) and time.monotonic() < patience:
            time.sleep(_PAUSE)
            continue
        refusal = busy(holder or "unknown")
        if refusal is not None:
            raise refusal
        fcntl.flock(handle, fcntl.LOCK_EX)
        return


def _is_free(handle: int) -> bool:
    """Take the lock unless somebody holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_gone(holder: str) -> bool:
    """Whether the process that took the lock is dead: children that share its lock are ending then, too."""
    if not holder.isdecimal():
        return False
    try:
        os.kill(int(holder), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
