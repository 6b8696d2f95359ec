"""One cycle at a time: a lock that the kernel drops when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from nowcast.core.errors import NowcastError


class BusyError(NowcastError):
    """Another cycle of this service is running."""


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the service's lock for the length of the block.

    Why ``flock``: the kernel releases it with the process, so a kill -9 leaves nothing to clean up.

    Raises:
        BusyError: somebody else holds it; the message names the process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise BusyError(
                f"{folder}: another cycle of this service is running (process {holder}); "
                "wait for it to end"
            ) from error
        # What is written is for people only: a full disk must not stop a cycle here.
        with contextlib.suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
