"""The entries of a benchmark: each row once a seed, with its experiment, a name on disk and a hash of all."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nowcast.bench.benchmark import Benchmark, Row, slug
from nowcast.bench.checks import check_apart, check_frames
from nowcast.core.errors import SettingsError, complain
from nowcast.core.files import sha256
from nowcast.core.settings import build, current_names, merged, plain
from nowcast.data.splits import parse_periods
from nowcast.training.experiment import Experiment, Training

LATER: tuple[tuple[str, Any], ...] = (
    ("data.missing", 0),
    ("training.start_from", None),
    ("training.weight_decay", 0.0),
    ("training.optimizer", "adam"),
    ("training.learning_rate.initial_share", 0.04),
    ("training.learning_rate.rise_share", 0.3),
    ("training.learning_rate.patience", 10),
    ("training.sampling.reverse", None),
    ("training.only", []),
)
"""Settings that tables were filled without: at these values they are not counted, so that hashes stay."""
NOT_COUNTED = ("workers", "accelerator", "cuda_graph", "log_every", "logger", "devices", "nodes")
"""Settings of training that change where and how it runs, but not what comes out."""
PLACES = ("path", "cache", "processes")
"""Settings of sources that tell where frames lie and how they get there, but not what they are."""


@dataclass(frozen=True)
class Entry:
    """One run to score."""

    row: Row
    seed: int | None
    """None for what is not trained here."""
    experiment: Experiment | None
    key: str
    """Name of what is written about it, and of its run where no row before is trained just so."""
    hash: str
    """12 hexadecimal digits, the same for all seeds of a row, that change with any setting that can change
    its numbers. `PLACES` are left out: what data holds, not where it lies, is the fingerprint's part."""

    @property
    def title(self) -> str:
        """As messages call it."""
        return self.row.name if self.seed is None else f"{self.row.name}, seed {self.seed}"


def entries_of(bench: Benchmark, rows: Sequence[Row] | None = None) -> list[Entry]:
    """All entries of these rows (None: all), seed by seed, so that a table fills evenly.

    Raises:
        SettingsError: a row's settings do not fit an experiment; a checkpoint has learned from what is
            tested on.
        CheckpointError: a row's checkpoint is not there.
    """
    chosen = bench.rows if rows is None else rows
    found = []
    runs: dict[str, str] = {}
    for number, seed in enumerate(bench.seeds):
        for row in chosen:
            if row.model is not None:
                found.append(_trained(bench, row, seed, runs))
            elif number == 0:
                found.append(_given(bench, row))
    return found


def pick_rows(bench: Benchmark, names: Sequence[str]) -> list[Row]:
    """The rows with these names, in the order of the table; all if none is named.

    Raises:
        SettingsError: a name that no row has.
    """
    known = {row.name for row in bench.rows}
    for name in names:
        if name not in known:
            all_names = ", ".join(row.name for row in bench.rows)
            raise SettingsError(complain("--models", f"'{name}'", f"one of {all_names}", "correct it"))
    return [row for row in bench.rows if not names or row.name in names]


def _trained(bench: Benchmark, row: Row, seed: int, runs: dict[str, str]) -> Entry:
    """The entry of a row and a seed; rows that differ in the scoring alone share the run of the first.

    Args:
        bench: what to do.
        row: one that names a model.
        seed: of the training.
        runs: from what is trained to the name of its run, filled on the way.
    """
    key = f"{slug(row.name)}_seed{seed}"
    training = merged(plain(bench.training), current_names(Training, row.training)) | {"seed": seed}
    experiment = build(
        Experiment, {"name": key, "model": plain(row.model), "data": plain(bench.data), "training": training}
    )
    if experiment.training.nodes > 1:
        remedy = "train on several machines with 'nowcast train' and give the row its checkpoint"
        raise SettingsError(
            complain(f"rows: '{row.name}' training.nodes", experiment.training.nodes, "1", remedy)
        )
    counted = plain(experiment, first_names=True)  # so that a hash outlives renamings
    del counted["name"], counted["training"]["seed"]
    for name in NOT_COUNTED:
        del counted["training"][name]
    for path, value in LATER:
        *groups, name = path.split(".")
        group = functools.reduce(operator.getitem, groups, counted)
        if group[name] == value:
            del group[name]
    run = runs.setdefault(json.dumps([seed, counted], sort_keys=True), key)
    return Entry(row, seed, replace(experiment, name=run), key, _hash(bench, counted, row))


def _given(bench: Benchmark, row: Row) -> Entry:
    if row.checkpoint is None:
        return Entry(row, None, None, slug(row.name), _hash(bench, row.forecaster, row))
    from nowcast.models.checkpoint import load_network

    loaded = load_network(row.checkpoint)
    check_frames(loaded.meta.exceedance_probability is not None, f"rows: '{row.name}' checkpoint")
    learned = loaded.meta.experiment.get("data", {})
    for test in bench.test_sources:
        check_apart(plain(test), [*learned.get("sources", ()), *learned.get("validation_sources", ())])
    for part, sources in (("train", "sources"), ("validation", "validation_sources")):
        _check_periods(bench, row.name, learned.get(part, ()), learned.get(sources, ()))
    return Entry(row, None, None, slug(row.name), _hash(bench, sha256(row.checkpoint), row))


def _check_periods(bench: Benchmark, row: str, periods: Sequence[str], sources: Sequence[Any]) -> None:
    """Refuse test periods that share a moment with those of a checkpoint; no periods are all of its sources."""
    remedy = "test on other periods or give another checkpoint"
    tested = parse_periods(bench.data.test, "data.test")
    for text, (first, last) in zip(periods, parse_periods(periods, f"rows: '{row}'"), strict=True):
        for mine, (start, end) in zip(bench.data.test, tested, strict=True):
            if start < last and first < end:
                raise SettingsError(
                    complain(
                        "data.test", mine, f"periods apart from {text}, from which '{row}' has learned", remedy
                    )
                )
    known = [plain(source) for source in bench.data.sources] if tested and not periods else []
    if any(source in known for source in sources):
        raise SettingsError(
            complain(
                "data.test",
                ", ".join(bench.data.test),
                f"other data than '{row}', which has learned from all of it",
                remedy,
            )
        )


def _hash(bench: Benchmark, what: Any, row: Row) -> str:
    tested = {
        "what": what,
        "window": plain(bench.data.window),
        "crop": plain(bench.data.crop),
        "scores": plain(bench.scores),
        "test": plain(bench.test_sources) or plain(bench.data.test),
        "clips": bench.test_clips,
        "stride": bench.test_stride,
    }
    if bench.test_future is not None:
        tested["future"] = bench.test_future
    if bench.scores_dbz:
        tested["scaling"] = plain(bench.data.scaling)
    if row.draws > 1:
        tested["draws"] = row.drawn.told
    if "fvd" in bench.scores and bench.weights.fvd_sha256 is not None:
        tested["fvd_sha256"] = bench.weights.fvd_sha256.lower()
    return hashlib.sha256(json.dumps(_without_places(tested), sort_keys=True).encode()).hexdigest()[:12]


def _without_places(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_places(inner) for key, inner in value.items() if key not in PLACES}
    return [_without_places(inner) for inner in value] if isinstance(value, (list, tuple)) else value
