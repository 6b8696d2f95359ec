"""Folder and ledger brought together after a crash, and old nowcasts removed."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from pathlib import Path

import numpy as np

from nowcast.core.errors import NowcastError
from nowcast.core.times import parse_time
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import PublishedNowcast
from nowcast.service.model_run import MADE, WORK
from nowcast.service.publish import ISSUED, MANIFEST, REFERENCE_TIME, folder_of, point_latest
from nowcast.service.settings import ServiceSettings
from nowcast.service.warning_ledger import entries_of

log = logging.getLogger(__name__)


def recover(settings: ServiceSettings, ledger: Ledger, now: np.datetime64) -> int:
    """Bring folder and ledger together after a crash; return how many nowcasts were entered anew.

    What was published but not yet written down is read from its manifest; what was half-written or
    half-removed goes (it was never visible under a name that anybody reads); ``latest`` leads to the
    newest nowcast that is there.
    """
    root = settings.output / ISSUED
    found = 0
    if root.is_dir():
        known = {n.folder for n in ledger.kept()}
        for entry in sorted(root.iterdir()):
            if entry.name.startswith("."):
                shutil.rmtree(entry, ignore_errors=True)
            elif f"{ISSUED}/{entry.name}" not in known:
                found += _enter(settings, ledger, entry, now)
    for unfinished in (WORK, MADE):
        shutil.rmtree(settings.output / unfinished, ignore_errors=True)
    for litter in settings.output.glob(".*.part"):
        litter.unlink(missing_ok=True)
    newest = next((n for n in reversed(ledger.kept()) if (settings.output / n.folder).is_dir()), None)
    latest = settings.output / "latest"
    if newest and (not latest.is_symlink() or str(latest.readlink()) != newest.folder):
        point_latest(settings.output, newest.folder)
    return found


def _enter(settings: ServiceSettings, ledger: Ledger, entry: Path, now: np.datetime64) -> int:
    try:
        manifest = json.loads((entry / MANIFEST).read_text(encoding="utf-8"))
        reference_time = parse_time(manifest.get(REFERENCE_TIME) or manifest["issued"])
        if ledger.has_nowcast(reference_time):
            return 0
        row = PublishedNowcast(
            reference_time, str(manifest["model"]), str(manifest["fallback"]), folder_of(reference_time)
        )
        warnings = entries_of(settings, manifest)
    except (NowcastError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s: no readable manifest (%s)", entry.name, error)
        return 0
    if entry != settings.output / row.folder:
        return 0
    ledger.note_nowcast(row, now, manifest, warnings)
    return 1


def prune(settings: ServiceSettings, ledger: Ledger, newest: np.datetime64) -> int:
    """Remove the files of nowcasts older than ``keep_hours``; return how many. Their scores stay.

    One whose lead times still wait for their frames stays as well, up to twice that age. The newest
    nowcast stays however old it is, for ``latest`` leads to it. A folder is renamed before it is emptied,
    so that nobody sees half of it.
    """
    limit = newest - np.timedelta64(int(settings.keep_hours * 3600), "s")
    pending = {n.reference_time for n in ledger.nowcasts(pending_only=True)}
    oldest = limit - (newest - limit)
    gone = 0
    for nowcast in ledger.kept()[:-1]:
        if nowcast.reference_time >= limit:
            break
        if nowcast.reference_time in pending and nowcast.reference_time >= oldest:
            continue
        folder = settings.output / folder_of(nowcast.reference_time)
        hidden = folder.with_name(f".{folder.name}.old")
        with contextlib.suppress(FileNotFoundError):
            folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)
        ledger.forget_folder(nowcast.reference_time)
        gone += 1
    return gone
