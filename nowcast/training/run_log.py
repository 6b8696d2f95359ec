"""train.log of a run, and what Lightning would say beside it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from nowcast.core.errors import FileError

LOG = logging.getLogger("nowcast.training")


def first_device() -> bool:
    """Whether this is the process that writes and speaks (the only one, or the first of several)."""
    names = ["LOCAL_RANK", "RANK"] + ["SLURM_PROCID"] * (int(os.environ.get("SLURM_NTASKS", "1")) > 1)
    return all(int(os.environ.get(name, "0")) == 0 for name in names)


class _RunLog(logging.FileHandler):
    """The log of a run, which ends the run when it cannot be written."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name of logging)
        """Raise one clear line in place of a traceback beside the run."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        raise FileError(
            f"{self.baseFilename}: cannot be written ({error.strerror}); make room and run again"
        ) from error


@contextlib.contextmanager
def log_to(folder: Path) -> Iterator[None]:
    """Write what is logged of training to ``folder/train.log``, also how the run was stopped."""
    if not first_device():
        yield
        return
    handler = _RunLog(folder / "train.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    level = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(FileError):
            LOG.info("stopped: %s %s", type(error).__name__, error)
        raise
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
        with contextlib.suppress(OSError):  # a full disk has been told when the line was written
            handler.close()


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advertisements, and its quarrel with newer torch, off the terminal while it runs."""
    log = logging.getLogger("pytorch_lightning")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Lightning 2.6 asks isinstance(treespec, LeafSpec) wherever it looks at a loader.
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)")
            yield
    finally:
        log.setLevel(level)
