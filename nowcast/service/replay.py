"""Feed an archive to a service frame by frame, as real files, on a simulated clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nowcast.archive.reader import Archive
from nowcast.core.errors import TimeError
from nowcast.core.times import minutes, to_text
from nowcast.products.odim_h5 import OdimPacking, write_composite
from nowcast.service.clock import Clock, SimulatedClock
from nowcast.service.settings import InputSettings, ServiceSettings

_EXACT = OdimPacking(gain=0.01, bits=16)


class Replay:
    """An archive that arrives again: each frame becomes an ODIM_H5 file once its time has come."""

    def __init__(
        self,
        settings: ServiceSettings,
        source: Path,
        speed: float,
        start: np.datetime64 | None = None,
    ) -> None:
        """Prepare the replay below the service's output folder; the source archive is only read.

        Args:
            settings: the service; its inputs and archive are replaced by the replay's own.
            source: the archive to replay.
            speed: simulated seconds a second.
            start: the frame to begin at; the first one when None.

        Raises:
            TimeError: no frame at or after ``start``.
        """
        self._archive = Archive.open(source)
        times = self._archive.times
        self._times = times if start is None else times[times >= start]
        if len(self._times) == 0:
            raise TimeError(
                f"{source}: no frame at or after {to_text(start) if start is not None else 'any time'}; "
                f"it ends at {to_text(times[-1]) if len(times) else 'nothing'}"
            )
        self._inbox = settings.output / "replay" / "inbox"
        self._inbox.mkdir(parents=True, exist_ok=True)
        self._next = 0
        self.step = self._archive.step
        self.clock: Clock = SimulatedClock(self._times[0], speed)
        self.settings = replace(
            settings,
            archive=settings.output / "replay" / "archive.zarr",
            inputs=(InputSettings(self._inbox, ("*.h5",)),),
            settle_seconds=0.0,
            step_minutes=minutes(self._archive.step),
        )

    def feed(self) -> list[Path]:
        """Write the frames whose time has come since the last call; give their files."""
        written = []
        while self._next < len(self._times) and self._times[self._next] <= self.clock.now():
            written.append(self._write(self._times[self._next]))
            self._next += 1
        return written

    @property
    def over(self) -> bool:
        """Whether every frame has been fed."""
        return self._next >= len(self._times)

    def _write(self, time: np.datetime64) -> Path:
        frame = self._archive.frames(np.array([time]))
        name = to_text(time).replace(":", "").replace("-", "")
        return write_composite(
            self._inbox / f"replay_{name}.h5", frame.values[0], time, self._archive.grid,
            packing=_EXACT,
        )  # fmt: skip
