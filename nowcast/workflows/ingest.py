"""From radar files to the archive: list, leave out what is in already, scan, fill."""

from __future__ import annotations

import time as clock
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from nowcast.archive.ledger import Entries
from nowcast.archive.reader import Archive
from nowcast.core.engine import Engine, TimeLimited
from nowcast.core.errors import ArchiveError, NowcastError, SettingsError, complain
from nowcast.core.files import DISK_FULL
from nowcast.core.grid import Grid
from nowcast.core.places import local_only
from nowcast.core.processes import Workers
from nowcast.core.rain import Z_R, z_r_of_text
from nowcast.core.rain import z_r as relation_of
from nowcast.core.times import now_utc
from nowcast.ingestion.fill import Filled, FillSettings, fill
from nowcast.ingestion.listing import Problem, known_by_name, list_files, repeated
from nowcast.ingestion.polar.polar_ingest import PolarIngest
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.readers.base import Reader
from nowcast.ingestion.readers.choice import ReaderChoice
from nowcast.ingestion.regridding.plan import Regridding
from nowcast.ingestion.regridding.settings import ResampleSettings, resample_settings
from nowcast.ingestion.regridding.target import wanted_grid
from nowcast.ingestion.scan import scan_all
from nowcast.ingestion.work import Reissued

_FILES_A_TIME = 20_000
"""Files that are looked at and read before the next are looked at; they found an archive together."""

__all__ = ["IngestReport", "Problem", "ingest"]


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    ``frames`` were added, ``replaced`` took the place of an earlier issue, ``same`` were in the archive
    already with equal content, ``known_files`` were in completely and not read again, ``problems`` lists
    what could not be taken; ``seconds`` is the whole run.
    """

    archive: Path
    files: int
    known_files: int
    frames: int
    same: int
    problems: tuple[Problem, ...]
    seconds: float
    replaced: int = 0

    def __str__(self) -> str:
        rate = f" ({self.frames / self.seconds:.3g} frames/s)" if self.frames else ""
        replaced = f"{_count(self.replaced, 'frame')} replaced; " if self.replaced else ""
        return (
            f"{self.archive}: {_count(self.frames, 'new frame')} in {self.seconds:.1f} s{rate}; {replaced}"
            f"of {_count(self.files, 'file')} {self.known_files} were in already; "
            f"{_count(self.same, 'frame')} came twice"
        )


def ingest(
    paths: Iterable[Path | str],
    archive_path: Path | str,
    workers_count: int | None = None,
    progress: bool = True,
    reader: str | Reader | None = None,
    step: np.timedelta64 | None = None,
    licence: str | None = None,
    now: np.datetime64 | None = None,
    file_seconds: float | None = None,
    reissued: Reissued = "complete",
    z_r: str | None = None,
    polar: PolarSettings | None = None,
    *,
    engine: Engine | None = None,
    grid: str | Path | Grid | None = None,
    resample: ResampleSettings | str | None = None,
) -> IngestReport:
    """Put radar files into an archive; what is in already is not read again.

    Whatever is wrong with one file does not keep the others out: it ends up in the report's
    ``problems``. Killed at any point and run again, it ends in the same values.

    Args:
        paths: files and folders, in the order in which the first of two equal times wins.
        archive_path: the archive, made when it is not there.
        workers_count: processes; one a core when None.
        progress: show bars on standard error.
        reader: the reader to use instead of finding it by content: a name of the catalog, or a reader itself
            such as `nowcast.ingestion.readers.mapped.mapped` makes of a mapping.
        step: the archive's step when it is new; else told from the times.
        licence: terms of the data, for the archive's attributes.
        now: the present, for tests.
        file_seconds: most time that reading one file may take; then it is a problem. None for no limit.
        reissued: what becomes of a frame whose time is in with other content. ``complete``: a newer file of
            the same source replaces a frame of a file that was cut short, or with fewer observed cells;
            else the first stays and the second is a problem. ``replace``: a newer file of the same source
            always replaces, also one that was refused before. ``keep``: the first stays, without a word.
            ``refuse``: it stays, and the second is a problem.
        polar: how polar volumes are put on a grid; without it they are refused. A mapping may say so, too.
            With ``grid`` they are put straight onto that one, where ``resample`` is a mean from places
            ``cell_km`` apart.
        z_r: the relation through which rain becomes dBZ, by name or as ``a=200,b=1.6``; the archive's own
            where there is one, else that of each source. An archive of reflectivity keeps it as the relation
            by which its dBZ become rain.
        engine: of `nowcast.open_engine`, where files are read instead of in ``workers_count`` processes; its
            workers must see files and archive under the same paths. Why not always: a process that is forked
            here begins in a hundredth of a second, and a file takes a few of them.

        grid: where all files are put: a YAML file, another archive, or a projection and a cell size such as
            ``EPSG:3035@1km`` over all sources; the archive's own where it was made so. What several sources of
            different grids observe at one time becomes one frame: the first in the archive, then in the order
            of ``paths``, wins at every cell that it observes.
        resample: how (`nowcast.ingestion.regridding.settings.ResampleSettings`), as text too: ``nearest``,
            ``mean`` or ``conservative,mean_in=z``; the archive's own, else ``nearest``.

    Raises:
        GridError: a projection that is not known, or a grid with too many cells.
        ArchiveError: the archive cannot be read or written, is damaged, or the disk is full.
        TimeError: a single time and no ``step``.
        SettingsError: no such reader, relation or value of ``reissued``, or not the archive's relation.

    What was found wrong with single files before that is in the error's notes.

    Example:
        >>> import nowcast
        >>> report = nowcast.ingest(["radar/"], "italy.zarr")  # doctest: +SKIP
        >>> report.frames, [str(problem) for problem in report.problems]  # doctest: +SKIP
    """
    began = clock.monotonic()
    choice = ReaderChoice(reader, z_r)
    if reissued not in get_args(Reissued):
        raise SettingsError(
            complain(
                "reissued", f"'{reissued}'", f"one of {', '.join(get_args(Reissued))}", "choose one of them"
            )
        )
    polar = polar or getattr(getattr(reader, "mapping", None), "polar", None)
    wanted = None if grid is None else wanted_grid(grid)
    how = resample_settings(resample) if isinstance(resample, str) else resample
    files, problems = list_files(Path(p) if engine is None else Path(p).absolute() for p in paths)
    try:
        target = local_only(
            archive_path,
            "archive",
            "an archive that grows takes locks and renames, which object stores lack; "
            "ingest into a folder, and copy that",
        ).absolute()
        known = _known(target, again=reissued == "replace")
        choice = replace(choice, z_r=_one_relation(target, z_r))
        regridding = Regridding.of(target, wanted, how)
        with _pool(workers_count, file_seconds, engine) as pool:
            volumes = PolarIngest(target, polar, step, None if wanted is None else wanted.grid)
            unread = {} if volumes.together else known_by_name(files, known)
            problems += [p for path, source in unread.items() for p in repeated(path, source)]
            fresh = [path for path in files if path not in unread]
            fresh = volumes.taken_from(pool, fresh, known, progress)
            problems += volumes.problems
            twice, scans = volumes.known_files, volumes.scans
            filled, order = Filled(), {path: place for place, path in enumerate(files)}
            settings = FillSettings(step, licence, now or now_utc(), progress, reissued, choice.relation)
            for number, part in enumerate(_parts(fresh)):
                if number:
                    known = _known(target, again=reissued == "replace")
                    regridding = Regridding.of(target, wanted, how)
                found, more, again = scan_all(pool, part, choice, known, progress)
                problems += more
                scans = [*found, *(volumes.scans if number == 0 else ())]
                twice += again
                if regridding is not None:
                    scans = regridding.applied(sorted(scans, key=lambda scan: order[scan.path]))
                if scans:
                    filled.add(fill(pool, target, scans, settings))
                    if regridding is not None:
                        regridding.note(target, scans)
            volumes.write_heights()
    except NowcastError as error:
        _note(error, problems)
        raise
    except OSError as error:
        raise _note(_no_place(archive_path, error), problems) from error
    return IngestReport(
        target,
        len(files),
        len(unread) + twice,
        filled.frames,
        filled.same,
        (*problems, *filled.problems),
        clock.monotonic() - began,
        filled.replaced,
    )


def _parts(files: list[Path]) -> Iterator[list[Path]]:
    """So many files at a time that what is known of them takes little memory; one part at least."""
    for at in range(0, max(len(files), 1), _FILES_A_TIME):
        yield files[at : at + _FILES_A_TIME]


def _pool(
    workers_count: int | None, file_seconds: float | None, engine: Engine | None
) -> AbstractContextManager[Engine]:
    if engine is None:
        return Workers(workers_count, file_seconds, forked=True)
    return nullcontext(engine if file_seconds is None else TimeLimited(engine, file_seconds))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _known(target: Path, again: bool) -> Entries:
    """Return the files that are not read: those that are in completely, ``again`` only if without a problem."""
    done = Archive.open(target).done_entries() if (target / "zarr.json").exists() else Entries()
    return done.without_problems() if again else done


def _one_relation(target: Path, chosen: str | None) -> str | None:
    """Return the relation between rain and dBZ: that of the archive, which nothing else may be mixed with.

    Raises:
        SettingsError: another one was chosen than the archive has.
    """
    if not (target / "zarr.json").exists():
        return chosen
    stated = str(Archive.open(target).attrs.get("z_r_relation", ""))
    held = z_r_of_text(stated)
    if chosen is not None and (held is None or not held.same(relation_of(chosen))):
        raise SettingsError(
            complain(
                f"{target}: z_r",
                f"'{chosen}'",
                f"the archive's own, {stated or 'which has none'}",
                "leave it out, or ingest into another archive",
            )
        )
    if held is None:
        return None
    return held.name if held.name in Z_R and Z_R[held.name].same(held) else f"a={held.a!r},b={held.b!r}"


def _note(error: NowcastError, problems: Iterable[Problem]) -> NowcastError:
    for problem in problems:
        error.add_note(str(problem))
    return error


def _no_place(archive: Path | str, error: OSError) -> NowcastError:
    if error.errno in DISK_FULL:
        return ArchiveError(f"{archive}: the disk is full ({error.strerror}); make room and run again")
    return ArchiveError(
        f"{archive}: cannot be used as an archive ({error.strerror or error}), expected a "
        "place that can be read and written; check the path and its permissions"
    )
