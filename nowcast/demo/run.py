"""The main job from nothing: storms -> ODIM_H5 files -> archive -> training -> forecasts -> scores -> page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nowcast.core.settings import build
from nowcast.core.times import to_text
from nowcast.demo.storm import StormSettings, make_storms, storm_grid

START = np.datetime64("2025-06-01T00:00", "ns")
LICENCE = "made by nowcast, free of any terms"


@dataclass(frozen=True)
class DemoSettings:
    """How much of everything; the defaults end within two minutes on two cores."""

    minutes: float | None = None
    """Time for training a small network on the season; None takes the MotionRNN of the package."""
    hidden: tuple[int, ...] = (24, 24)
    leads: int = 10
    storms: StormSettings = field(default_factory=lambda: season(False))


def season(train: bool, seed: int = 7, frames: int | None = None) -> StormSettings:
    """A season: small and coarse to train on, or like the radars that the package's networks know."""
    if train:
        return StormSettings(seed=seed, frames=frames or 420)
    return StormSettings(
        seed=seed, frames=frames or 120, step_minutes=10, size=256, cell_km=1.0, cells_at_once=9.0
    )


def experiment_values(settings: DemoSettings, archive: Path) -> dict[str, Any]:
    """The experiment of the demonstration as a configuration file would hold it.

    The season is parted by time: the first part to train on, the next to choose the best checkpoint,
    the last is held out and only verified.
    """
    step = settings.storms.step
    last_train, first_val, last_val = (
        str((START + step * int(settings.storms.frames * share)).astype("datetime64[m]"))
        for share in (0.62, 0.67, 0.78)
    )
    return {
        "name": "demo",
        "model": {
            "name": "motionrnn_predrnn",
            "settings": {"hidden": list(settings.hidden), "filter_size": 3, "patch": 4},
        },
        "data": {
            "sources": [{"kind": "radar_archive", "settings": {"path": str(archive)}}],
            "window": {"past": 5, "future": settings.leads},
            "crop": [96, 96],
            "train": [f"{START.astype('datetime64[m]')}/{last_train}"],
            "validation": [f"{first_val}/{last_val}"],
            "validation_clips": 8,
            "scaling": {"low_dbz": 5.0, "high_dbz": 60.0},
            "flips_and_rotations": False,
        },
        "training": {
            "minutes": settings.minutes or 1.0,
            "batch": 4,
            "learning_rate": {"start": 2.0e-3, "schedule": "cosine", "warmup": 20},
            "gradient_clip": 1.0,
            "loss": "weighted_l1_l2",
            "ema_decay": 0.98,
            "validate_every": 60,
            "seed": settings.storms.seed,
        },
    }


def held_out(settings: DemoSettings) -> tuple[np.datetime64, np.datetime64]:
    """The period that is verified, [start, end): where nothing is trained, the whole season."""
    step = settings.storms.step
    share = 0.0 if settings.minutes is None else 0.83
    return START + step * int(settings.storms.frames * share), START + step * settings.storms.frames


def write_files(settings: DemoSettings, folder: Path, progress: bool) -> list[Path]:
    """Write the season as ODIM_H5 composites, one file a frame."""
    from nowcast.products.odim_h5 import write_composite

    folder.mkdir(parents=True, exist_ok=True)
    grid = storm_grid(settings.storms)
    step = settings.storms.step
    paths = []
    frames = make_storms(settings.storms)
    for i, frame in enumerate(tqdm(frames, desc="writing radar files", disable=not progress)):
        time = START + i * step
        name = np.datetime_as_string(time.astype("datetime64[m]")).replace(":", "").replace("-", "")
        paths.append(write_composite(folder / f"storm_{name}.h5", frame, time, grid))
    return paths


def run_demo(out: Path, settings: DemoSettings, say: Callable[[str], None], progress: bool = False) -> Path:
    """Do the whole job and give the path of the page.

    Args:
        out: folder of everything; what an earlier run left there is used again where it is whole.
        settings: how much of everything.
        say: takes one line about each step.
        progress: show bars on stderr.
    """
    from nowcast.archive.reader import Archive
    from nowcast.evaluation.skill_text import summary
    from nowcast.forecasters.catalog import build_forecaster
    from nowcast.products.cf_netcdf import write_forecast
    from nowcast.workflows.forecast import forecast
    from nowcast.workflows.ingest import ingest
    from nowcast.workflows.verify import verify

    if settings.minutes is None:
        build_forecaster("motionrnn")  # fails, if it must, before anything is written
    say("1/5  a made-up storm season as ODIM_H5 composites")
    files = write_files(settings, out / "radar", progress)
    say(f"2/5  {len(files)} files into an archive")
    archive_path = out / "storms.zarr"
    ingest(files, archive_path, progress=progress, licence=LICENCE)
    if settings.minutes is None:
        say("3/5  nothing to train: a MotionRNN comes with the package, trained on Italian radar")
        network = "motionrnn"
    else:
        say(f"3/5  training a small MotionRNN for {settings.minutes:g} minutes")
        network = str(_train(settings, archive_path, out, progress))
    say("4/5  forecasts from the newest frame")
    archive = Archive.open(archive_path)
    names = {"motionrnn": network, "extrapolation": "extrapolation", "persistence": "persistence"}
    models = {name: build_forecaster(asked) for name, asked in names.items()}
    for name, forecaster in models.items():
        coming = forecast(archive, forecaster, lead_times=settings.leads)
        write_forecast(out / "forecasts" / f"{name}.nc", coming)
    say("5/5  scores, maps and the page")
    skill = verify(
        archive,
        models,
        "/".join(map(to_text, held_out(settings))),
        out,
        stride=3 if settings.minutes else 10,
        lead_times=settings.leads,
        cases=2,
        title="Nowcast of a made-up storm season",
        notes=["All data on this page were made by nowcast itself from a seed; no radar observed them."],
        progress=progress,
    )
    say(summary(skill.verification))
    assert skill.page is not None
    return skill.page


def _train(settings: DemoSettings, archive: Path, out: Path, progress: bool) -> Path:
    from nowcast.training.experiment import Experiment
    from nowcast.training.run import train
    from nowcast.workflows.training_data import open_data

    experiment = build(Experiment, experiment_values(settings, archive))
    data = open_data(experiment)
    return train(
        experiment,
        data.clips.train,
        data.clips.validation,
        out / "runs",
        grid_km=data.grid_km,
        progress=progress,
    )
