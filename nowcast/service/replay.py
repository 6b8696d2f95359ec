"""Feed an archive to a service frame by frame, as real files, on a simulated clock."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from nowcast.archive.create import NewArchive
from nowcast.archive.reader import Archive
from nowcast.archive.writer import open_writer
from nowcast.core.errors import NowcastError, SettingsError, TimeError
from nowcast.core.grid import Grid
from nowcast.core.times import Times, minutes, to_text, unbroken_runs
from nowcast.forecasters.catalog import build_forecaster
from nowcast.ingestion.readers.catalog import find_reader
from nowcast.products.odim_h5 import OdimPacking, write_composite
from nowcast.service.clock import Clock, SimulatedClock
from nowcast.service.settings import InputSettings, ServiceSettings

log = logging.getLogger(__name__)
_EXACT = OdimPacking(gain=0.01, bits=16)
_USUAL_PAST = 12
_KEPT = ("title", "source", "licence", "quantity", "z_r_relation", "measured_quantity")
"""What the archive of the replay takes over of the one that is replayed: where it is from, on what terms."""


class Replay:
    """An archive that arrives again: each frame becomes an ODIM_H5 file once its time has come.

    The frames that lead to the first one are fed at once, as many as the model needs, so that the
    first cycle can already forecast. A replay that was stopped goes on behind the last frame it fed.
    """

    def __init__(
        self, settings: ServiceSettings, source: Path, speed: float, start: np.datetime64 | None = None
    ) -> None:
        """Prepare the replay below the service's output folder; the source archive is only read.

        Args:
            settings: the service; its inputs and archive are replaced by the replay's own.
            source: the archive to replay.
            speed: how many times shorter the waiting is.
            start: the first frame to forecast from; when None, the first with enough frames before it.

        Raises:
            TimeError: no frame at or after ``start``, or all of them were fed in an earlier run.
            SettingsError: the service's own archive would be replayed into itself.
        """
        self.source = Path(source).resolve()
        own = settings.output / "replay" / "archive.zarr"
        if self.source == own.resolve():
            raise SettingsError(
                f"--replay: got {source}, which this replay writes itself; choose another output"
            )
        self._archive = Archive.open(source)
        self._inbox = settings.output / "replay" / "inbox"
        self.settings = replace(
            settings,
            archive=own,
            inputs=(InputSettings(self._inbox, ("*.h5",)),),
            settle_seconds=0.0,
            step_minutes=minutes(self._archive.step),
            hooks=(),  # nobody must act on the weather of another day
        )
        past = _needed(settings, self._archive.step)
        self._times, first = self._plan(past, start, _newest(own))
        self._next = 0
        self._fed: list[Path] = []
        self.step = self._archive.step
        self.clock: Clock = SimulatedClock(first, speed)
        self._inbox.mkdir(parents=True, exist_ok=True)
        if not own.exists():
            self._make(own)

    def _make(self, own: Path) -> None:
        """Make the replay's archive before it is fed, so that it says of itself what the files cannot.

        Its grid is the one that is read from such a file: a projection has other words there.
        """
        path = self._write(self._times[0])
        grid = Grid.of(find_reader(path).open(path))
        path.unlink()
        kept = {key: self._archive.attrs[key] for key in _KEPT if key in self._archive.attrs}
        with open_writer(own, NewArchive(grid, self.step, self._times[0], kept)):
            pass

    def _plan(
        self, past: int, start: np.datetime64 | None, fed: np.datetime64 | None
    ) -> tuple[Times, np.datetime64]:
        """Choose the frames to feed and the one to begin the forecasts at."""
        times = self._archive.times
        if fed is not None:
            log.info("going on with the replay behind %s", to_text(fed))
            rest = times[times > fed]
            first = rest[:1]
        elif start is not None:
            first = times[times >= start][:1]
            rest = times[times > first[0] - past * self._archive.step] if len(first) else first
        else:
            first, rest = self._first_with(past), times
        if not len(first):
            raise TimeError(
                f"{self.source}: no frame {f'at or after {to_text(start)}' if start is not None else ''}"
                f"{f' behind {to_text(fed)}, up to which it was replayed' if fed is not None else ''}; "
                f"it ends at {to_text(times[-1]) if len(times) else 'nothing'}, choose an earlier start "
                "or another output folder"
            )
        return rest, first[0]

    def _first_with(self, past: int) -> Times:
        times = self._archive.times
        for begin, end in unbroken_runs(times, self._archive.step):
            if end - begin >= past:
                return np.asarray(times[begin + past - 1 :][:1])
        return np.asarray(times[:1])

    def feed(self) -> list[Path]:
        """Write the frames whose time has come since the last call; return their files.

        Files of the call before are removed: they are in the replay's archive by now.
        """
        for path in self._fed:
            path.unlink(missing_ok=True)
        self._fed = []
        while self._next < len(self._times) and self._times[self._next] <= self.clock.now():
            self._fed.append(self._write(self._times[self._next]))
            self._next += 1
        return self._fed

    @property
    def over(self) -> bool:
        """Whether every frame has been fed."""
        return self._next >= len(self._times)

    def _write(self, time: np.datetime64) -> Path:
        frame = self._archive.frames(np.array([time]))
        name = to_text(time).replace(":", "").replace("-", "")
        return write_composite(
            self._inbox / f"replay_{name}.h5", frame.values[0], time, self._archive.grid, packing=_EXACT
        )


def _needed(settings: ServiceSettings, step: np.timedelta64) -> int:
    """Return how many frames the model needs; a usual number where it cannot be asked."""
    model = Path(settings.model)
    try:
        if model.exists() and not model.is_file():
            raise NowcastError(f"{model}: no file")
        needs = build_forecaster(settings.model, settings.model_settings, step).needs
    except NowcastError as error:
        log.warning("%s", error)
        return _USUAL_PAST
    every = 1 if needs.step is None else max(round(needs.step / step), 1)
    return (needs.past - 1) * every + 1


def _newest(archive: Path) -> np.datetime64 | None:
    """Return the newest frame of the replay's own archive, None where there is no archive yet."""
    if not (archive / "zarr.json").exists():
        return None
    times = Archive.open(archive).times
    return times[-1] if len(times) else None
