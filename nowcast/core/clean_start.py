"""A clean start of worker processes: one thread each, and no script to run again."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""What the environment of a worker says."""
_OF_DASK = ("PYTHONHASHSEED", "MALLOC_TRIM_THRESHOLD_")
"""Variables that dask sets when it starts a process and leaves behind."""


class _CleanStart:
    """Who is starting processes now, and what is to be put back when the last of them has."""

    lock = threading.Lock()
    starting = 0
    environment: ClassVar[dict[str, str | None]] = {}
    script: ClassVar[dict[str, Any]] = {}


@contextlib.contextmanager
def clean_start() -> Iterator[None]:
    """What a process that starts meanwhile finds: one thread of its own, and no script to run again.

    Why no script: work is done by functions of packages, and a script that calls ``nowcast.ingest`` without
    ``if __name__ == "__main__":`` would otherwise be run anew in every worker. Blocks of several threads may
    overlap.
    """
    with _CleanStart.lock:
        _CleanStart.starting += 1
        if _CleanStart.starting == 1:
            _hide()
    try:
        yield
    finally:
        with _CleanStart.lock:
            _CleanStart.starting -= 1
            if not _CleanStart.starting:
                _show()


def _hide() -> None:
    _CleanStart.environment = {name: os.environ.get(name) for name in (*ONE_THREAD, *_OF_DASK)}
    os.environ.update(ONE_THREAD)
    main = sys.modules["__main__"].__dict__
    _CleanStart.script = {name: main.pop(name) for name in ("__file__", "__spec__") if name in main}
    main["__spec__"] = None


def _show() -> None:
    main = sys.modules["__main__"].__dict__
    del main["__spec__"]
    main.update(_CleanStart.script)
    for name, value in _CleanStart.environment.items():
        if value is not None:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
