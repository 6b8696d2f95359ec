"""Make a trained network, or a mean of some, part of the package: weights, their digest, and their calibration.

    python scripts/package_weights.py motionrnn --checkpoint runs/motionrnn/v0/best.ckpt --archives archives
    python scripts/package_weights.py motionrnn_5min --system motionrnn --checkpoint runs/5min/v0/best.ckpt \
        --archives archives --days slovenia_5
    python scripts/package_weights.py motionrnn_mean --mean motionrnn,motionrnn_italy --archives archives
    python scripts/package_weights.py motionrnn --calibration new.calibration.json

With a checkpoint it writes NAME.safetensors (the weights that forecast, float16), NAME.curve.csv (the learning
curve of the run) and the digest in registry.json; of a mean the registry holds the names of its networks.
With --archives it calibrates on validation days, by name of scripts/skill_groups.yaml, and writes
NAME.calibration.json; with --calibration it takes that from a file of `nowcast calibrate`. A calibration names
the digests of its networks: when one is exchanged, its own and those of the means it is part of are made again,
at once with --also motionrnn_mean. A network of a system for frames of another step has a name of its own and
names the system: `nowcast forecast --model SYSTEM` chooses by the step of the archive.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from skill_forecasts import Days, Shared

from nowcast.core.errors import CheckpointError, NowcastError, SettingsError, complain
from nowcast.core.files import sha256, whole_file
from nowcast.core.times import minutes
from nowcast.forecasters.average import Average, Part
from nowcast.forecasters.calibration_file import read_calibration, write_calibration
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.decision_thresholds import identity_of
from nowcast.forecasters.packaged import packaged
from nowcast.forecasters.registry import (
    CALIBRATION,
    REGISTRY,
    PackagedMean,
    PackagedNetwork,
    folder,
    means,
    networks,
)
from nowcast.models import weights_file
from nowcast.models.checkpoint import load_network, pack
from nowcast.workflows.calibrate import summary

MOST_BYTES = 8_000_000
PLACES = ("path", "cache", "start_from")
"""Settings that name a file or a folder."""


def without_folders(value: Any) -> Any:
    """Settings whose paths are names only: folders of one machine tell nothing elsewhere."""
    if isinstance(value, dict):
        return {
            k: Path(v).name if k in PLACES and isinstance(v, str) else without_folders(v)
            for k, v in value.items()
        }
    return [without_folders(v) for v in value] if isinstance(value, (list, tuple)) else value


def package_checkpoint(name: str, checkpoint: Path, system: str) -> str:
    """Write weights, learning curve and digest; return what to print."""
    path = folder() / f"{name}{weights_file.SUFFIX}"
    curve = (checkpoint.parent / "metrics.csv").read_text(encoding="utf-8")
    loaded = load_network(checkpoint)
    if 2 * sum(v.numel() for v in loaded.model.state_dict().values()) > MOST_BYTES:
        raise CheckpointError(f"{checkpoint}: too large, expected at most {MOST_BYTES} bytes")
    meta = replace(loaded.meta, experiment=without_folders(loaded.meta.experiment))
    weights_file.write(path, pack(loaded.model.state_dict(), meta))
    (folder() / f"{name}.curve.csv").write_text(curve, encoding="utf-8")
    digest = sha256(path)
    _register(name, PackagedNetwork(digest, system or name, meta.step_seconds / 60))
    return f"{path}: {path.stat().st_size / 1e6:.2f} MB, sha256 {digest}"


def package_mean(name: str, members: tuple[str, ...], system: str) -> str:
    """Register a mean of networks of the package; return what to print."""
    mean = Average(tuple(Part(packaged(member, raw=True)) for member in members), name)
    if mean.needs.step is None or name in networks():
        raise SettingsError(complain("name", name, "one that is no network's", "choose another"))
    _register(name, PackagedMean(members, system or name, minutes(mean.needs.step)))
    return f"{folder() / REGISTRY}: {name}, the mean of {', '.join(members)}"


def _register(name: str, one: PackagedNetwork | PackagedMean) -> None:
    known = {**networks(), **means(), name: one}
    with whole_file(folder() / REGISTRY) as temporary:
        text = json.dumps({n: asdict(each) for n, each in known.items()}, indent=1, sort_keys=True)
        temporary.write_text(f"{text}\n", encoding="utf-8")


def calibrate_packaged(names: list[str], days: Days) -> str:
    """Calibrate networks or means of the package, as they are now, on validation days; return what to print.

    A network that is also part of a mean forecasts once.
    """
    shared = Shared()
    found = days.learn({name: shared.of(build_forecaster(name, {"raw": True})) for name in names})
    told = [summary(found)]
    for name, one in zip(names, found.learnt, strict=True):
        path = folder() / f"{name}{CALIBRATION}"
        write_calibration(path, [replace(one, model=name)], found.made)
        told.append(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    return "\n".join(told)


def package_calibration(name: str, file: Path) -> str:
    """Write the calibration of a network of the package; return what to print."""
    found = read_calibration(file)
    own = identity_of(build_forecaster(name, {"raw": True}))
    mine = [replace(m, model=name) for m in found.models if m.identity == own]
    if not mine:
        known = ", ".join(m.identity for m in found.models)
        raise SettingsError(
            complain(str(file), f"a calibration of {known}", f"one of {own}", f"calibrate {name}")
        )
    path = folder() / f"{name}{CALIBRATION}"
    write_calibration(path, mine[:1], found.made)
    return f"{path}: {path.stat().st_size / 1e3:.0f} kB"


def main() -> int:
    """Write the files; give 2 where the checkpoint or the calibration will not do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="of the system, as 'nowcast forecast --model NAME' will know it")
    parser.add_argument("--checkpoint", type=Path, help="best.ckpt of 'nowcast train'")
    parser.add_argument(
        "--system", default="", help="name of the system where a network of another step has it already"
    )
    parser.add_argument("--mean", metavar="A,B,...", help="networks of the package whose mean it is")
    parser.add_argument("--calibration", type=Path, help="file of 'nowcast calibrate' that knows these weights")
    parser.add_argument("--archives", type=Path, help="the folder of the archives of the days to calibrate on")
    parser.add_argument("--also", default="", metavar="A,B", help="others to calibrate on the same forecasts")
    parser.add_argument("--days", default="italy", help="which, of scripts/skill_groups.yaml (italy)")
    args = parser.parse_args()
    try:
        if args.checkpoint is not None:
            print(package_checkpoint(args.name, args.checkpoint, args.system))
        if args.mean is not None:
            print(package_mean(args.name, tuple(args.mean.split(",")), args.system))
        if args.archives is not None:
            also = [name for name in args.also.split(",") if name]
            print(calibrate_packaged([args.name, *also], Days.named(args.archives, args.days)))
        if args.calibration is not None:
            print(package_calibration(args.name, args.calibration))
    except (NowcastError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
