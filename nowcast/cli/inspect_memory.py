"""`nowcast inspect-memory`: what the memory of a trained LMC-Memory holds, as a picture and as numbers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nowcast.cli.help_page import HelpPage
from nowcast.core.errors import SettingsError, complain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nowcast.data.clips import VideoDataset
    from nowcast.models.base import ClipBatch
    from nowcast.models.checkpoint import LoadedNetwork
    from nowcast.models.lmc.analysis import AddressableMemory, MemoryAnalysis, NamedClip

SHOWN = 4
_MULTIPLE = 16
_WIDEST = 256

HELP = HelpPage(
    """Shows clips to a trained LMC-Memory and says what its memory holds: which slots are used, how
alike clips of one class address it, and where on the map, as pictures and as numbers. Networks of the
package come without the encoder of long clips, which forecasting does not need: of them it says what short
clips address, and how alike those of one class are.""",
    examples=(
        (
            "nowcast inspect-memory runs/italy_lmc/v0/best.ckpt --data italy.zarr --period "
            "2025-03-21/2025-03-22",
            "on radar of two days",
        ),
        (
            "nowcast inspect-memory lmc_memory --data slovenia.zarr --period 2026-08-16/2026-08-17",
            "that of the package; an archive of 5 minutes is read every 10 minutes, as it was trained",
        ),
        (
            "nowcast inspect-memory runs/digits/v0/best.ckpt --data moving_digits --clips 64 --out memory/",
            "on digits",
        ),
    ),
    see=("nowcast train", "docs/reference/lmc_memory.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `nowcast inspect-memory` takes."""
    parser.add_argument(
        "checkpoint",
        metavar="NAME|CKPT",
        help="a trained LMC-Memory with its memory: a network of the package or a checkpoint",
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="DATA",
        help="an archive (.zarr), a folder of videos, a folder with MNIST's digits, or 'moving_digits'",
    )
    parser.add_argument("--clips", type=int, default=32, help="clips to show to it (default 32)")
    parser.add_argument(
        "--crop",
        type=int,
        nargs=2,
        metavar=("ROWS", "COLUMNS"),
        help=f"middle of the frame to look at, multiples of {_MULTIPLE} (default: at most {_WIDEST} a side)",
    )
    parser.add_argument("--period", metavar="START/END", help="only this period of an archive")
    parser.add_argument(
        "--classes",
        choices=("auto", "clip", "day", "source", "category"),
        default="auto",
        help="what makes clips alike (auto: the day for radar, the category for videos, else each its own)",
    )
    parser.add_argument("--out", type=Path, default=Path("memory"), help="folder for the results (memory)")


def run(args: argparse.Namespace) -> int:
    """Analyse; write memory.json, memory.png and, for radar, memory_map.png."""
    if args.clips < 2:
        raise SettingsError(complain("--clips", args.clips, "2 or more to compare", "give more"))
    from nowcast.forecasters.registry import registry, weights_of
    from nowcast.models.checkpoint import load_network
    from nowcast.models.lagrangian.wrapper import LagrangianModel
    from nowcast.models.lmc.network import LmcMemory
    from nowcast.models.weights_file import SUFFIX
    from nowcast.models.wrapper import ModelWrapper

    path = weights_of(args.checkpoint) if args.checkpoint in registry() else Path(args.checkpoint)
    loaded = load_network(path, whole=path.suffix != SUFFIX)
    outer = loaded.model
    addressed: Any = outer.network if isinstance(outer, LagrangianModel) else outer
    network = addressed.network if isinstance(addressed, ModelWrapper) else addressed
    if not isinstance(network, LmcMemory) or network.memory is None:
        raise SettingsError(
            complain(
                f"{args.checkpoint}",
                f"a {loaded.meta.model} without memory",
                "an LMC-Memory with one",
                "'nowcast train italy_lmc' makes one, for example",
            )
        )
    kind, data = _data(args, loaded)
    carry = outer.advected if isinstance(outer, LagrangianModel) else None
    long = network.settings.long_length if network.store_encoder is not None else 0
    _analyse(args, kind, data, _Shown(addressed, long, carry))
    return 0


class _Shown(NamedTuple):
    """The memory that is analysed."""

    addressed: AddressableMemory
    long_length: int
    """Frames of the clip that is stored; 0 without the encoder of long clips."""
    carry: Callable[[ClipBatch], ClipBatch] | None
    """Carries a clip to where the network sees it, where that is not where it is."""


def _data(args: argparse.Namespace, loaded: LoadedNetwork) -> tuple[str, VideoDataset]:
    from nowcast.data.catalog import build_sources
    from nowcast.data.clips import VideoDataset
    from nowcast.data.splits import parse_periods, within
    from nowcast.data.windows import ClipWindow

    meta = loaded.meta
    trained = meta.experiment.get("data", {}).get("window", {})
    window = ClipWindow(meta.past, meta.future, before=trained.get("before", 0), after=trained.get("after", 0))
    kind, settings = _source(args.data, window.frames, meta)
    if kind == "radar_archive":
        settings["step_minutes"] = meta.step_seconds / 60
    sources: list[Any] = build_sources([{"kind": kind, "settings": settings}], meta.scaling, "--data")
    if kind == "radar_archive":
        sources = sources[:1]  # clips of other phases of the step lie minutes beside those of the first
    if args.period:
        if kind != "radar_archive":
            raise SettingsError(complain("--period", args.period, "it with an archive only", "leave it out"))
        sources = [part for s in sources for part in within(s, parse_periods([args.period], "--period"))]
    crop = _crop(args.crop, sources[0].frame_shape[1:]) if sources else (_MULTIPLE, _MULTIPLE)
    return kind, VideoDataset(sources, window, crop=crop, train=False)


def _source(data: str, long: int, meta: Any) -> tuple[str, dict[str, Any]]:
    digits: dict[str, Any] = {"part": "test", "seed": 1, "count": 64, "length": long, "size": 64}
    path = Path(data)
    if data == "moving_digits":
        return "moving_digits", digits
    if (path / "zarr.json").exists():
        return "radar_archive", {"path": data}
    if any(path.glob("*-ubyte*")):
        return "moving_digits", {**digits, "path": data}
    return "video_folder", {"path": data, "colour": "rgb" if meta.channels == 3 else "gray"}


def _crop(asked: list[int] | None, size: tuple[int, int]) -> tuple[int, int]:
    if asked is None:
        rows, columns = (min(side, _WIDEST) // _MULTIPLE * _MULTIPLE for side in size)
        asked = [rows, columns]
    if any(side < _MULTIPLE or side % _MULTIPLE for side in asked):
        raise SettingsError(
            complain("--crop", asked, f"multiples of {_MULTIPLE}", f"frames have {size[0]} x {size[1]} pixels")
        )
    return asked[0], asked[1]


def _analyse(args: argparse.Namespace, kind: str, data: VideoDataset, memory: _Shown) -> None:
    import json

    from nowcast.core.files import whole_file
    from nowcast.models.lmc.analysis import analyse_memory, plain_analysis

    count = min(args.clips, len(data))
    chosen = [i * len(data) // count for i in range(count)]
    labels = [_label(args.classes, kind, data, index) for index in chosen]
    stored = memory.long_length > 0
    found = analyse_memory(memory.addressed, _clips(data, chosen, labels, memory), stored)
    with whole_file(args.out / "memory.json") as temporary:
        temporary.write_text(json.dumps(plain_analysis(found), indent=1), encoding="utf-8")
    written = [args.out / "memory.json", *_draw(args, kind, data, chosen, found)]
    centred = found.similarity_centred
    print(
        f"{found.clips} clips, {found.places} places: {found.slots_in_use:.1f} of {len(found.strongest)} "
        f"slots in use at a place; centred similarity "
        + (f"long to short {centred.same_clip:.3f} within a clip" if stored else "")
        + ("" if stored else f"of short clips {centred.same_class:.3f} within a class")
        + f", {centred.other_class:.3f} between classes"
    )
    if stored:
        gained, error = found.alignment
        print(f"alignment, the same clip less all others: {gained:+.3f}, standard error over clips {error:.3f}")
    print(f"written: {', '.join(map(str, written))}")


def _clips(data: VideoDataset, chosen: list[int], labels: list[str], memory: _Shown) -> Iterator[NamedClip]:
    import numpy as np
    import torch
    from tqdm import tqdm

    from nowcast.models.base import ClipBatch
    from nowcast.models.lmc.analysis import NamedClip

    shown = tqdm(chosen, desc="address the memory", unit="clip")
    for index, label in zip(shown, labels, strict=True):
        clip = data[index]
        if memory.carry is not None:
            batch = ClipBatch(*(torch.from_numpy(part)[None] for part in clip))
            clip = type(clip)(*(part[0].numpy() for part in memory.carry(batch) if part is not None))
        around = clip.context if len(clip.context) else np.concatenate([clip.past, clip.future])
        yield NamedClip(clip.past, around[: memory.long_length or None], label)


def _label(classes: str, kind: str, data: VideoDataset, index: int) -> str:
    if classes == "auto":
        classes = {"radar_archive": "day", "video_folder": "category"}.get(kind, "clip")
    source = data.sources[data.place(index).source].name
    if classes == "day":
        return str(data.reference_time(index).astype("datetime64[D]"))
    if classes == "category":
        return source.rsplit("/", 1)[0]
    return source if classes == "source" else f"clip {index}"


def _draw(
    args: argparse.Namespace, kind: str, data: VideoDataset, chosen: list[int], found: MemoryAnalysis
) -> list[Path]:
    import numpy as np

    from nowcast.report.memory_slots import SlotPicture, draw_memory_slots, draw_slot_map

    activity = [float(np.abs(np.diff(data[i].past, axis=0)).mean()) for i in chosen]
    liveliest = sorted(np.argsort(activity)[::-1][:SHOWN].tolist())
    pictures = []
    for number in liveliest:
        newest = data[chosen[number]].past[-1]
        frame = newest[0] if len(newest) == 1 else np.moveaxis(newest, 0, -1)
        pictures.append(SlotPicture(_title(kind, data, chosen[number]), frame, found.maps[number]))
    plain, centred = found.similarity, found.similarity_centred
    similarities = {
        "same clip": (plain.same_clip, centred.same_clip),
        "same class": (plain.same_class, centred.same_class),
        "other classes": (plain.other_class, centred.other_class),
    }
    paths = [args.out / "memory.png"]
    draw_memory_slots(
        paths[0],
        found.usage_long,
        found.usage_short,
        found.strongest,
        similarities,
        found.classes,
        found.between_classes,
        found.slot_change,
        found.slot_activity,
        pictures,
    )
    if kind == "radar_archive":
        paths.append(args.out / "memory_map.png")
        busiest = liveliest.index(int(np.argmax(activity)))
        grid = _grid(Path(args.data), data, chosen[liveliest[busiest]])
        draw_slot_map(paths[1], grid, pictures[busiest], found.strongest)
    return paths


def _title(kind: str, data: VideoDataset, index: int) -> str:
    if kind == "radar_archive":
        return f"{data.reference_time(index).astype('datetime64[m]')} UTC"
    return data.sources[data.place(index).source].name.rsplit("/", 1)[-1] + f", clip {index}"


def _grid(path: Path, data: VideoDataset, index: int) -> Any:
    from nowcast.archive.reader import Archive
    from nowcast.core.grid import Grid

    whole, crop = Archive.open(path).grid, data.place(index).crop
    return Grid(whole.crs_wkt, whole.y[crop.rows], whole.x[crop.columns])
