"""What a scheduled nowcast service is told: where files come in, what to run, what to publish, how long."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np

from nowcast.archive.quality import CELL_MARKS
from nowcast.core.errors import SettingsError, complain
from nowcast.core.packaged_configs import config_path
from nowcast.core.settings import build, formerly, override, read_yaml
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.models.device import Device
from nowcast.report.palettes import SAFE, palette_of
from nowcast.service.warning_settings import HookSettings, PlaceSettings, WarningSettings, within
from nowcast.workflows.past import MOST_MISSING

_RANGES = {
    "lead_times": (1, 1000),
    "step_minutes": (1 / 60, 1440),
    "settle_seconds": (0, 3600),
    "file_seconds": (0.1, 86400),
    "budget_seconds": (0.1, 86400),
    "memory_gb": (0.01, 1e5),
    "late_minutes": (0, 1440),
    "catch_up_limit": (1, 10_000),
    "keep_hours": (0.01, 1e6),
    "score_hours": (0.01, 1e6),
    "stale_minutes": (0, 1e6),
    "low_disk_mb": (0, 1e15),
    "members": (1, 1000),
    "seed": (0, 2**31 - 1),
    "most_missing": (0, 100),
    "observed_share": (0.01, 1),
    "warning_hours": (0.01, 1e6),
    "drift_days": (1, 1000),
    "hook_seconds": (0.1, 600),
    "hook_expire_minutes": (0, 1e5),
}
_DBZ = (-32.0, 100.0)


@dataclass(frozen=True)
class InputSettings:
    """One folder that radar files come into.

    Raises:
        SettingsError: no pattern.
    """

    folder: Path
    patterns: tuple[str, ...] = ("*",)
    """Shell patterns of the file names; hidden files and names ending in .part or .tmp never count."""

    def __post_init__(self) -> None:
        for pattern in self.patterns or ("",):
            if not pattern or PurePath(pattern).is_absolute():
                raise SettingsError(
                    complain("inputs.patterns", f"'{pattern}'", "patterns of file names", "give '*' for all")
                )


@dataclass(frozen=True)
class ProductSettings:
    """Which files each nowcast consists of; the CF netCDF file is always there."""

    geotiff: bool = False
    odim: bool = False
    page: bool = True
    """The map of the service's page."""
    maps: bool = True
    """PNG of every frame and a loop."""
    meteograms: bool = False
    """PNG of the places and areas, twelve to a picture."""
    palette: str = SAFE
    """Colours of the maps: ``safe`` or ``radar``, of `nowcast.report.palettes`."""
    forecast: tuple[str, ...] | dict[str, dict[str, Any]] = ()
    """What the forecast file holds beside the forecast: names of ``nowcast forecast --products``, or their
    settings by name."""

    def __post_init__(self) -> None:
        palette_of(name=self.palette)


@dataclass(frozen=True)
class ServiceSettings:
    """One service. Times in the unit their name says.

    Raises:
        SettingsError: a number outside its range or a name that cannot be part of a path.
    """

    name: str
    archive: Path
    output: Path
    inputs: tuple[InputSettings, ...]
    model: str = "extrapolation"
    """persistence, extrapolation, a network of the package such as motionrnn, or the path of a checkpoint."""
    model_settings: dict[str, Any] = field(default_factory=dict)
    """Settings of that model, such as ``precision: bfloat16`` of a network or ``method`` of extrapolation."""
    device: Device = "cpu"
    """That a network forecasts on: ``cpu``, ``cuda`` (the first GPU) or ``auto`` (that, where there is one)."""
    calibration: Path | None = None
    """File of ``nowcast calibrate`` that knows the model, in place of what a network of the package brings."""
    lead_times: int = field(default=10, metadata=formerly("leads"))
    """How many frames each nowcast forecasts, one step apart."""
    step_minutes: float | None = None
    """The radar's time step; None takes the archive's, or tells it from the first files."""
    mapping: Path | None = None
    """YAML file that says what files of any other naming hold; see `nowcast ingest --mapping`."""
    polar: PolarSettings | None = None
    """How polar volumes are put on the grid; see `nowcast ingest --polar`."""
    settle_seconds: float = 2.0
    """A file counts once its size and time have not changed for this long."""
    file_seconds: float = 60.0
    """Most time that reading one file may take; then it is refused and the rest goes in."""
    budget_seconds: float = 60.0
    """Time the model has, start included; then extrapolation is published in its place."""
    memory_gb: float | None = None
    """Most address space the model's process may take; None for no limit but the machine's."""
    late_minutes: float = 3.0
    """How long after a frame's nominal time `watch` waits for it before the cycle runs without it."""
    missed: Literal["skip", "catch_up"] = "skip"
    """After an outage: forecast from the newest frame only, or from every frame not yet used."""
    catch_up_limit: int = 6
    """Most missed frames that one cycle makes up for."""
    products: ProductSettings = ProductSettings()
    members: int | None = None
    """How many equally likely members to draw from the model's probabilities; None draws none."""
    seed: int = 0
    """Of the members."""
    z_r: str | None = None
    """Z-R relation of what is in mm, where the archive names none."""
    most_missing: int = MOST_MISSING
    """So many frames of the model's past may be missing; they are interpolated, and the forecast says so."""
    mask: tuple[str, ...] = ()
    """Quality marks left out of the model's past: ``speckle``, ``spike``, ``ray``."""
    places: Path | tuple[PlaceSettings, ...] = ()
    """A CSV file (name, lat, lon) or a list."""
    areas: Path | None = None
    """GeoJSON file with polygons."""
    warnings: tuple[WarningSettings, ...] = ()
    observed_share: float = 0.8
    """A warning is verified where at least this share of its area and period was observed."""
    warning_hours: float = 720.0
    """Span of the record of warnings in the status."""
    drift_days: float = 14.0
    """Span of the running reliability that is held against that of the calibration."""
    hooks: tuple[HookSettings, ...] = ()
    hook_seconds: float = 20.0
    """Most time that a cycle spends on telling, after everything is published."""
    hook_expire_minutes: float = 60.0
    """What could not be told within this time of its publication is given up."""
    thresholds_dbz: tuple[float, ...] = (20.0, 30.0, 40.0)
    keep_hours: float = 72.0
    """Published nowcasts older than this (against the newest frame) are removed."""
    score_hours: float = 24.0
    """Span of the running skill on the page and in the status."""
    stale_minutes: float = 30.0
    """Newest frame older than this: the status says so and its exit code is 1."""
    low_disk_mb: float = 500.0
    """Less free space than this on the disk of the output folder: the status says so."""
    prometheus: bool = False
    """Also write metrics.prom for the text-file collector of a Prometheus node exporter."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", self.name):
            raise SettingsError(f"name: got '{self.name}', expected letters, digits, dot, dash and underscore")
        if not self.inputs:
            raise SettingsError("inputs: got none, expected at least one folder that files come into")
        for key, (low, high) in _RANGES.items():
            within(key, getattr(self, key), low, high)
        for index, threshold in enumerate(self.thresholds_dbz):
            within(f"thresholds_dbz[{index}]", threshold, *_DBZ)
        for mark in self.mask:
            if mark not in CELL_MARKS:  # those of frames would read the whole archive in each cycle
                raise SettingsError(complain("mask", mark, f"some of {', '.join(CELL_MARKS)}", "correct it"))
        for key in ("warnings", "hooks"):
            names = [each.name for each in getattr(self, key)]
            if len(set(names)) < len(names):
                raise SettingsError(
                    complain(
                        key,
                        f"{len(names)} of {len(set(names))} names",
                        "a name of its own for each",
                        "rename one",
                    )
                )
        span = self.lead_times * (self.step_minutes or 0.0) / 60.0
        if self.keep_hours < span:
            raise SettingsError(
                f"keep_hours: got {self.keep_hours:g}, expected at least the {span:g} h that a nowcast "
                "reaches ahead; its files are needed until its lead times are verified"
            )

    @property
    def step(self) -> np.timedelta64 | None:
        """The radar's time step, None where the archive or the files must tell."""
        if self.step_minutes is None:
            return None
        step: np.timedelta64 = np.timedelta64(round(self.step_minutes * 60), "s").astype("timedelta64[ns]")
        return step


def check_model(settings: ServiceSettings) -> None:
    """Refuse a model that cannot be one before the service starts: it would run on the fallback for ever.

    Weights are not read: a checkpoint may be exchanged while the service runs, and one that is damaged
    costs a nowcast its network, not the service.

    Raises:
        SettingsError: neither a baseline, a network of the package nor a file; or a setting it has not; or a
            calibration that cannot be, or of another baseline; or a GPU that is not there.
        CheckpointError: a checkpoint that is not there.
        FileError: no calibration file.
    """
    from nowcast.forecasters.catalog import FORECASTERS, build_forecaster
    from nowcast.forecasters.neural import NeuralSettings
    from nowcast.forecasters.registry import packaged_names
    from nowcast.models.device import choose_device
    from nowcast.workflows.calibrated import calibrated, read_calibrations

    network = settings.model in packaged_names() or Path(settings.model).exists()
    known = [] if settings.calibration is None else read_calibrations([settings.calibration])
    if settings.model in FORECASTERS or not network:
        forecaster = build_forecaster(settings.model, settings.model_settings)
        if settings.calibration is not None:
            calibrated(forecaster, known)
    else:
        given = {k: v for k, v in settings.model_settings.items() if k not in ("raw", "step_minutes")}
        asked = build(NeuralSettings, {"device": settings.device, **given}, "model_settings").device
        if choose_device(asked) == "cuda" and settings.memory_gb is not None:
            raise SettingsError(
                complain(
                    "memory_gb",
                    f"{settings.memory_gb:g} beside a GPU",
                    "null: CUDA maps more addresses than any machine has memory",
                    "leave it out; model_settings.memory_gb limits what the network takes of the GPU",
                )
            )


def read_settings(path: Path, assignments: Sequence[str] = ()) -> ServiceSettings:
    """Read a service's YAML file (its path or a packaged name), put ``key=value`` assignments over it.

    Relative paths in it are taken from the folder the command runs in.
    """
    return build(
        ServiceSettings, override(read_yaml(config_path(path, "service")), assignments, ServiceSettings)
    )
