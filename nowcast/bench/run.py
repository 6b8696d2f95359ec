"""A benchmark from its configuration to its table: train, only then test, time; going on where it ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nowcast.bench.benchmark import Benchmark, Row
from nowcast.bench.costs import Sequences, device_of, measure
from nowcast.bench.draws import OF_ALL_VIDEOS
from nowcast.bench.entries import Entry, entries_of
from nowcast.bench.exports import Exports
from nowcast.bench.fits import check_networks
from nowcast.bench.held_out import HeldOut
from nowcast.bench.kept_costs import KeptCosts
from nowcast.bench.known import Known
from nowcast.bench.outcome import BenchmarkOutcome, Overview, timing_of
from nowcast.bench.records import Record, Records, as_json
from nowcast.bench.runs import Run, alone, carry_on
from nowcast.bench.scoring import ForecastError, Scored, computable, copy_last, score
from nowcast.core.errors import CheckpointError, FileError, NowcastError, printable
from nowcast.core.files import commit
from nowcast.models.checkpoint import LoadedNetwork, load_network
from nowcast.training.experiment import Experiment
from nowcast.training.module import TrainingError
from nowcast.workflows.training_data import ExperimentData, open_data


class BenchmarkRun:
    """One call of `nowcast bench`.

    Args:
        bench: what to do.
        out: folder of runs and of what was found.
        rows: only these are trained and scored; None takes all. The table shows whatever is known.
        most_minutes: no further training starts later than this after the call.
        progress: log to stderr what goes on.
        runs: folder of the trainings, where several tables may share those that are the same; None: in ``out``.
        predictions: also write every forecast of the test clips, see `nowcast.bench.exports`.

    Raises:
        NowcastError: settings, data and networks that do not fit, before anything is trained.
    """

    def __init__(
        self,
        bench: Benchmark,
        out: Path,
        rows: Sequence[Row] | None = None,
        most_minutes: float | None = None,
        progress: bool = False,
        predictions: bool = False,
        runs: Path | None = None,
    ) -> None:
        self.bench, self.progress = bench, progress
        self.runs, self.records = runs or Path(out) / "runs", Records(Path(out) / "results")
        self.exports = Exports(Path(out) / "predictions", predictions)
        self._until = None if most_minutes is None else time.monotonic() + 60 * most_minutes
        self._picked = {row.name for row in (bench.rows if rows is None else rows)}
        self._opened: tuple[int, ExperimentData] | None = None
        self._why: dict[str, str] = {}
        self._entries = entries_of(bench)
        first = next((e.experiment for e in self._entries if e.experiment is not None), None)
        data = None if first is None else self._open(first)
        train_data = "" if data is None else data.clips.train.fingerprint
        self.held_out = HeldOut(bench, None if data is None else data.clips)
        self._metrics, self._not_computed = computable(bench.scores, bench.weights, bench.data.scaling)
        self.known = Known(bench, self.runs, self.records, self.held_out, train_data, self._not_computed)
        self.device = device_of("auto" if bench.training is None else bench.training.accelerator)
        self.costs = KeptCosts(bench, self.records, self._shape, self.device)
        self._overview = Overview(
            bench, self._entries, self.known, self.records, self.costs, self.exports, self._picked
        )
        self._wanted = [e for e in self._entries if e.row.name in self._picked and self._is_wanted(e)]
        check_networks({e.row.name: e.row for e in self._wanted}.values(), self._shape, progress)

    def __call__(self, write: Callable[[BenchmarkOutcome], object] | None = None) -> BenchmarkOutcome:
        """Do what is left to do and return what there is.

        A row whose scoring or timing fails is named with the reason and leaves the others their turn.

        Args:
            write: called with what there is when all is scored and something is still to be timed, so that a
                crash of the timing leaves a table.

        Raises:
            NowcastError: as training and scoring.
            KeyboardInterrupt: Ctrl-C; called again, it goes on.
        """
        ready = self._train_all()
        self.held_out.unseal()
        for number, (entry, run) in enumerate(ready):
            self._log(f"score {number + 1} of {len(ready)}: {entry.title}")
            self._attempt("scoring", entry.key, self._score, entry, run)
        todo = [row for row in self._overview.untimed() if row.name in self._picked]
        if todo and write is not None:
            write(self._overview.outcome(self._why))
        for row in todo:
            self._attempt("timing", timing_of(row), self._measure, row)
        return self._overview.outcome(self._why)

    def _attempt(self, what: str, key: str, work: Callable[..., None], *given: Any) -> None:
        """Do the work of one row; what goes wrong with it is told in the table. A full disk ends all."""
        try:
            work(*given)
        except FileError:
            raise
        except Exception as error:
            told = str(error) if isinstance(error, NowcastError) else f"{type(error).__name__}: {error}"
            self._why[key] = f"its {what} failed ({printable(told)[:300]})"

    def _train_all(self) -> list[tuple[Entry, Run | None]]:
        """Bring every run to its end that time allows; return those that can be scored."""
        ready: list[tuple[Entry, Run | None]] = []
        todo = []
        for entry in self._wanted:
            known = self.known.run(entry)
            if entry.experiment is None or (known is not None and known.finished):
                ready.append((entry, known))
            else:
                todo.append(entry)
        for number, entry in enumerate(todo):
            known = self.known.run(entry)
            if known is not None and known.finished:  # the run of a row before
                ready.append((entry, known))
                continue
            if self._until is not None and time.monotonic() >= self._until:
                done = "not begun" if known is None else f"at iteration {known.iterations}"
                self._why[entry.key] = f"{done} when the time was up"
                continue
            self._log(f"train {number + 1} of {len(todo)}: {entry.title}")
            if (run := self._train(entry)) is not None:
                ready.append((entry, run))
        return ready

    def _train(self, entry: Entry) -> Run | None:
        assert entry.experiment is not None
        with alone(self.runs, entry.experiment.name) as free:
            if not free:
                self._why[entry.key] = "another process trains it now"
                return None
            try:
                return carry_on(self.runs, entry.experiment, self._open(entry.experiment), self.progress)
            except TrainingError as error:
                self._why[entry.key] = f"its training failed ({error})"
                return None

    def _is_wanted(self, entry: Entry) -> bool:
        record = self.known.record(entry)
        return record is None or self.exports.lacks(entry.key, record)

    def _score(self, entry: Entry, run: Run | None) -> None:
        """Forecast the test clips of one entry, score them unless they are, and keep what was found."""
        loaded = self._load(entry, run)
        made_from = self._origin(entry, loaded)
        known = self.known.record(entry)
        if known is not None and known.checkpoint != made_from["checkpoint"]:
            known = None  # it was trained anew
        failed = ""
        try:
            with self.exports.sink(entry.key, self.held_out, made_from) as sink:
                found = score(
                    copy_last if loaded is None else loaded.model.to(self.device),
                    self.held_out.clips,
                    self.held_out.chosen,
                    self._metrics if known is None else {},
                    draws=entry.row.drawn,
                    keep=self.known.drawn if known is None else (),
                    batch=self.bench.test_batch,
                    workers=0 if self.bench.training is None else self.bench.training.workers,
                    device=self.device,
                    name=entry.title,
                    progress=self.progress,
                    sink=sink,
                    apart=[name for name in (self.bench.ranked_by,) if name not in OF_ALL_VIDEOS],
                )
        except ForecastError as error:
            found, failed = Scored({}), str(error)
        if known is not None:
            return
        record = Record(
            **made_from,
            test_clips=len(self.held_out.chosen),
            iterations=run.iterations if run is not None else 0,
            train_seconds=run.seconds if run is not None else 0.0,
            scores={name: as_json(values) for name, values in found.scores.items()},
            not_computed=self._not_computed,
            draws=found.draws,
            failed=failed,
        )
        self.records.put(entry.key, record, found.frames, found.details)

    def _origin(self, entry: Entry, loaded: LoadedNetwork | None) -> dict[str, Any]:
        """What a record and its predictions say about where they come from."""
        return {
            "row": entry.row.name,
            "seed": entry.seed,
            "hash": entry.hash,
            "train_data": loaded.meta.data_fingerprint if loaded is not None else "",
            "test_data": self.held_out.clips.fingerprint,
            "commit": loaded.meta.provenance.get("commit", "unknown") if loaded is not None else commit(),
            "checkpoint": loaded.sha256[:12] if loaded is not None else "",
        }

    def _measure(self, row: Row) -> None:
        """Time the network of a row, of the first of its seeds that is known."""
        entry = next(e for e in self._entries if e.row is row and self.known.record(e) is not None)
        loaded = self._load(entry, self.known.run(entry))
        if loaded is None:
            raise CheckpointError(
                f"{self.runs / entry.key}: got no checkpoint, expected the one that was scored"
            )
        self._log(f"time {row.name}")
        network = loaded.model.to(self.device)
        costs = measure(loaded.meta.model, loaded.meta.settings, network, self._shape, self.device)
        self.costs.put(row, costs)

    def _load(self, entry: Entry, run: Run | None) -> LoadedNetwork | None:
        path = entry.row.checkpoint if run is None else run.best
        return None if path is None else load_network(path, self.held_out.clips.channels)

    def _open(self, experiment: Experiment) -> ExperimentData:
        """Open the clips of an experiment; rows of one seed share them."""
        seed = experiment.training.seed
        if self._opened is None or self._opened[0] != seed:
            self._opened = (seed, open_data(experiment))
        return self._opened[1]

    @property
    def _shape(self) -> Sequences:
        window, clips = self.bench.test_window, self.held_out.clips
        return Sequences(window.past, window.future, clips.size, clips.channels)

    def _log(self, text: str) -> None:
        if self.progress:
            print(text, file=sys.stderr, flush=True)
