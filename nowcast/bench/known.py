"""What is known of an entry: its record and its run, if they are of just these settings and data."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from nowcast.bench.benchmark import Benchmark
from nowcast.bench.entries import Entry
from nowcast.bench.held_out import HeldOut
from nowcast.bench.records import Record, Records
from nowcast.bench.runs import Run, find_run


class Known:
    """Looks entries up on disk, each time anew: other processes may fill the same table.

    Args:
        bench: what was asked.
        runs: folder of the trainings.
        records: of what was scored.
        held_out: the test clips.
        train_data: fingerprint of the training data; empty where nothing is trained.
        not_computed: names of scores that cannot be computed here.
    """

    def __init__(
        self,
        bench: Benchmark,
        runs: Path,
        records: Records,
        held_out: HeldOut,
        train_data: str,
        not_computed: Collection[str],
    ) -> None:
        self._runs, self._records = runs, records
        self._test_data, self._train_data = held_out.clips.fingerprint, train_data
        self._not_computed = set(not_computed)
        self.drawn = [number for number in bench.sheets.clips if number < len(held_out.clips)]
        """Numbers of the test clips whose pictures are wanted."""

    def record(self, entry: Entry) -> Record | None:
        """The record of an entry if it is of just these settings and data, and as whole as can be."""
        record = self._records.get(entry.key)
        if record is None or record.hash != entry.hash or record.test_data != self._test_data:
            return None
        if entry.experiment is not None and record.train_data != self._train_data:
            return None
        drawn = set(self.drawn) <= set(self._records.frames(entry.key)) or record.failed
        return record if drawn and not set(record.not_computed) - self._not_computed else None

    def run(self, entry: Entry) -> Run | None:
        """The training of an entry, finished or not."""
        if entry.experiment is None:
            return None
        return find_run(self._runs, entry.experiment, self._train_data)
