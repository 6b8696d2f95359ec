"""What `nowcast bench` reads: which rows, on what, trained how, scored by what. The schema of configs/bench.

A file of `configs/bench` holds the keys of `Benchmark`; ``data`` and ``training`` are those of an experiment
(`nowcast.training.experiment`), so whatever `nowcast train` takes a row takes as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from nowcast.bench.checks import check_apart, check_columns, check_frames
from nowcast.bench.draws import DrawProtocol, Draws
from nowcast.bench.reported import ReportedTable, reported_of
from nowcast.core.errors import SettingsError, complain
from nowcast.core.packaged_configs import config_path
from nowcast.core.settings import build, override, plain, read_layered
from nowcast.data.windows import ClipWindow
from nowcast.models.catalog import find_model
from nowcast.models.choice import ModelChoice
from nowcast.scores.protocols import Backbones, check_scores
from nowcast.training.experiment import DataChoice, SourceChoice, Training

COSTS = ("parameters", "multiply_accumulates", "seconds", "frames_per_second", "memory_mb")
"""What is measured besides scores; papers report some of them, so ``reported`` may name them too."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a network to train, one that is trained, or a forecast without a network."""

    name: str
    """As the table calls it; its run lies in a folder of like name."""
    model: ModelChoice | None = None
    """Name in the model catalog and settings; the row is trained once a seed."""
    checkpoint: Path | None = None
    """A trained network instead: nothing is trained, seeds do not matter."""
    forecaster: Literal["copy_last"] | None = None
    """copy_last: the newest past frame again and again, the floor of every table."""
    training: dict[str, Any] = field(default_factory=dict)
    """Put over the shared ``training`` for this row alone."""
    reported: dict[str, float] = field(default_factory=dict)
    """What the paper prints: name of a score, or of a cost in `COSTS` -> value. It stands in a column of
    its own and is never mixed with what was computed. The three papers' own tables fill it by name."""
    reported_as: str = ""
    """What the paper calls this row, where that is not its name."""
    over: str = ""
    """Name of the row that this one is built upon: how much lower its first score is, is its gain."""
    draws: int = 1
    """So many futures of a stochastic network are scored; any other network has one."""
    draw_protocol: DrawProtocol = "mean"
    """What counts of several draws, see `nowcast.bench.draws.Draws`; the table tells them apart."""

    def __post_init__(self) -> None:
        where = f"rows: '{self.name}'"
        given = [n for n in ("model", "checkpoint", "forecaster") if getattr(self, n) is not None]
        if not slug(self.name):
            raise SettingsError(complain("rows.name", repr(self.name), "a name with letters", "give one"))
        if len(given) != 1:
            raise SettingsError(
                complain(
                    where,
                    " and ".join(given) or "nothing to forecast with",
                    "one of model, checkpoint, forecaster",
                    "keep one",
                )
            )
        if self.draws < 1:
            raise SettingsError(complain(f"{where} draws", self.draws, "1 or more", "change it"))
        if self.model is None and self.training:
            raise SettingsError(complain(where, f"training with a {given[0]}", "a model with it", "drop it"))
        if self.model is not None:
            build(find_model(self.model.name).settings, self.model.settings, where=f"{where} model.settings")
            check_frames(self.model.exceedance_probability is not None, f"{where} model.exceedance_probability")

    @property
    def drawn(self) -> Draws:
        """Which futures are scored, and how."""
        return Draws(self.draws, self.draw_protocol)


@dataclass(frozen=True)
class Sheets:
    """Pictures of predicted frames, as the figures of the papers."""

    clips: tuple[int, ...] = (0,)
    """Which test clips, counted from 0; empty draws none."""
    columns: int = 12
    """At most so many times on a sheet; the GIF shows all."""

    def __post_init__(self) -> None:
        if self.columns < 2 or min(self.clips, default=0) < 0 or len(set(self.clips)) < len(self.clips):
            raise SettingsError(
                complain(
                    "sheets",
                    f"clips={list(self.clips)}, columns={self.columns}",
                    "clips from 0, each once, and 2 columns or more",
                    "change them",
                )
            )


@dataclass(frozen=True)
class Benchmark:
    """A table to fill.

    Raises:
        SettingsError: values that cannot be, each with its name and what was expected; test data that shares
            a seed with what is trained or validated on.
    """

    title: str
    data: DataChoice
    """To train and validate on. For radar, ``data.test`` periods are what is tested on."""
    rows: tuple[Row, ...]
    scores: tuple[str, ...]
    """Names of `nowcast.scores.protocols.PROTOCOLS`, in the order of the columns."""
    training: Training | None = None
    """Shared by all rows that name a model; the seed is that of the run."""
    paper: str = ""
    """Which table of which paper."""
    question: str = ""
    """What the table is to answer, in one sentence."""
    notes: tuple[str, ...] = ()
    """What else a reader must know; stands under the table."""
    test_sources: tuple[SourceChoice, ...] = ()
    """What is tested on, read after all training is over."""
    test_clips: int | None = None
    """At most so many, spread evenly; None takes all."""
    test_stride: int = 1
    """Steps between the starts of two test clips."""
    test_batch: int = 8
    """Clips forecast at a time; no score changes with it."""
    seeds: tuple[int, ...] = (0,)
    """Each row that names a model is trained once for each."""
    weights: Backbones = field(default_factory=Backbones)
    """Files with the pretrained weights that lpips and fvd need; without, the table shows "not computed"."""
    sheets: Sheets = field(default_factory=Sheets)
    test_future: int | None = None
    """Lead times that are forecast and scored; None: as many as training has. A longer one asks of a network
    what it was not trained for, as the papers do."""
    leads: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Columns beside the mean over all lead times: name -> first and last lead time, counted from 1, for
    example ``10->40, last 10: [31, 40]``."""
    primary: str | None = None
    """The score that ranks the rows; None: the first of ``scores``."""
    reported: tuple[ReportedTable, ...] = ()
    """Which of the papers' tables stand beside it."""
    sweep: str = ""
    """A setting of the networks, for example ``motion.alpha``, over which the primary score is drawn."""

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_rows()
        check_scores(self.scores)
        check_columns(self)
        self._check_test()

    @property
    def test_window(self) -> ClipWindow:
        """Past and future of what is tested."""
        window = self.data.window
        return replace(
            window, future=self.test_future or window.future, stride=self.test_stride, before=0, after=0
        )

    @property
    def setting(self) -> str:
        """How the papers call these lead times: ``10->40``."""
        return f"{self.test_window.past}->{self.test_window.future}"

    @property
    def ranked_by(self) -> str:
        """The score that ranks the rows."""
        return self.primary or self.scores[0]

    @property
    def scores_dbz(self) -> bool:
        """Whether a score needs to know which value is which dBZ."""
        return any(name.startswith("csi_dbz") for name in self.scores)

    def shows(self, setting: str) -> bool:
        """Whether a paper's setting, for example ``10->20``, is among the columns."""
        return setting == self.setting or setting in self.leads

    def reported_of(self, row: Row) -> dict[tuple[str, str], float]:
        """What a paper prints of a row: (name of the lead times, empty for all; score) -> value."""
        own = {("", name): value for name, value in row.reported.items()}
        return reported_of(self.reported, row.reported_as or row.name, self.setting, self.leads) | own

    def _check_numbers(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise SettingsError(
                complain("seeds", list(self.seeds), "at least one, each once, 0 or more", "take [0, 1, 2]")
            )
        for name in ("test_clips", "test_stride", "test_batch", "test_future"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(complain(name, value, "1 or more", "change it"))

    def _check_rows(self) -> None:
        if not self.rows:
            raise SettingsError(complain("rows", "none", "at least one", "give a row with name and model"))
        names: dict[str, str] = {}
        for row in self.rows:
            twin = names.setdefault(slug(row.name), row.name)
            if twin is not row.name:
                raise SettingsError(
                    complain(
                        "rows",
                        f"'{twin}' and '{row.name}'",
                        "names that differ in letters and digits",
                        "rename one",
                    )
                )
            if row.model is not None and self.training is None:
                raise SettingsError(
                    complain(
                        "training",
                        f"none, with row '{row.name}' to train",
                        "settings with a budget",
                        "give training.steps or training.minutes",
                    )
                )
            row.drawn.check(f"rows: '{row.name}'", self.scores)
            for key in row.reported:
                if key not in (*self.scores, *COSTS):
                    raise SettingsError(
                        complain(
                            f"rows: '{row.name}' reported",
                            f"'{key}'",
                            f"one of {', '.join((*self.scores, *COSTS))}",
                            "correct it",
                        )
                    )

    def _check_test(self) -> None:
        if bool(self.test_sources) == bool(self.data.test):
            raise SettingsError(
                complain(
                    "test_sources",
                    "both these and data.test" if self.test_sources else "none",
                    "test_sources, or periods in data.test",
                    "give one of them",
                )
            )
        learned = [*self.data.sources, *self.data.validation_sources]
        for test in self.test_sources:
            check_apart(plain(test), [plain(choice) for choice in learned])


def slug(name: str) -> str:
    """A name fit for a folder: letters, digits, dots, hyphens, a plus in letters, else an underscore."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name.replace("+", "plus")).strip("_.").lower()


def read_benchmark(path: Path, assignments: Sequence[str] = (), data: Path | None = None) -> Benchmark:
    """Read a configuration, put ``a.b=c`` assignments over it and check it.

    Args:
        path: of the YAML file, or a packaged name.
        assignments: see `nowcast.core.settings.override`.
        data: the ``path`` of every source, whatever the file has; None leaves it as it is.

    Raises:
        SettingsError: no such file or name, an unknown key, a value of the wrong type or outside its range.
    """
    values = override(read_layered(config_path(path, "bench"), Benchmark), assignments, Benchmark)
    if data is not None:
        shared = values.get("data")
        parts = shared if isinstance(shared, dict) else {}
        for choice in (
            *_listed(parts, "sources"),
            *_listed(parts, "validation_sources"),
            *_listed(values, "test_sources"),
        ):
            choice["settings"] = {**(choice.get("settings") or {}), "path": str(data)}
    return build(Benchmark, values)


def _listed(group: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The sources of a group; anything of another shape is left for the check that follows."""
    found = group.get(name)
    return [choice for choice in found if isinstance(choice, dict)] if isinstance(found, list) else []
