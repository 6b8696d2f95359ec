"""One entry on the test clips: forecasts, scores a lead time, and the frames that pictures show.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from nowcast.bench.details import Details, PerClip, inside
from nowcast.bench.draws import ONE, Draws, Forecast, futures, tally
from nowcast.core.errors import MissingWeightsError, NowcastError
from nowcast.core.scaling import Scaling
from nowcast.data.clips import VideoDataset
from nowcast.models.base import ClipBatch
from nowcast.scores import i3d, lpips_weights
from nowcast.scores.base import Metric
from nowcast.scores.frames import FrameCsi
from nowcast.scores.fvd import Fvd
from nowcast.scores.lpips import Lpips
from nowcast.scores.protocols import Backbones, build_protocols
from nowcast.training.data_module import KeyedClips, as_read

Sink = Callable[[ClipBatch, Tensor, int, int], None]
"""Takes each batch with a forecast of it (B, S, C, H, W), which of how many futures that is."""
Pixels = npt.NDArray[np.uint8]


class ForecastError(NowcastError):
    """A forecast that cannot be scored."""


@dataclass(frozen=True)
class Scored:
    """Scores of one entry, and forecasts kept of it."""

    scores: dict[str, list[float]]
    """Name -> value a lead time; one value for scores of whole videos."""
    frames: dict[int, Pixels] = field(default_factory=dict)
    """Number of a test clip -> its forecast (S, C, H, W), of the first draw."""
    draws: str = ""
    """Where several futures were scored: ``best of 100``, as `Draws.told` has it."""
    details: Details = field(default_factory=dict)
    """The scores of each clip, and what a network holds inside."""


def computable(
    names: Sequence[str], weights: Backbones, scaling: Scaling | None = None
) -> tuple[dict[str, Metric], dict[str, str]]:
    """Make the scores; those whose pretrained weights are missing are named with the reason.

    Args:
        names: of `nowcast.scores.protocols.PROTOCOLS`.
        weights: where pretrained ones lie.
        scaling: how dBZ became what is scored, for scores of dBZ.

    Raises:
        FileError: weights that are there and are not the right ones.
    """
    made: dict[str, Metric] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            (made[name],) = build_protocols([name], weights)
        except MissingWeightsError as error:
            missing[name] = str(error)
        else:
            made[name] = _of_this_data(made[name], scaling)
            _read_weights(made[name])
    return made, missing


def _of_this_data(metric: Metric, scaling: Scaling | None) -> Metric:
    return replace(metric, scaling=scaling) if isinstance(metric, FrameCsi) and scaling else metric


def _read_weights(metric: Metric) -> None:
    """Read what a score needs now, and not when training is over."""
    if isinstance(metric, Lpips):
        lpips_weights.read(metric.weights, metric.sha256)
    elif isinstance(metric, Fvd):
        i3d.read(metric.weights, metric.sha256)


def copy_last(past: Tensor, steps: int, targets: None = None, observed: Tensor | None = None) -> Tensor:
    """Repeat the newest past frame."""
    return past[:, -1:].expand(-1, steps, -1, -1, -1)


def score(
    forecast: Forecast,
    clips: VideoDataset,
    chosen: Sequence[int],
    metrics: Mapping[str, Metric],
    *,
    draws: Draws = ONE,
    keep: Sequence[int] = (),
    batch: int = 8,
    workers: int = 0,
    device: torch.device | None = None,
    name: str = "",
    progress: bool = False,
    sink: Sink | None = None,
    apart: Sequence[str] = (),
) -> Scored:
    """Forecast test clips and score them.

    Frames are clamped to [0, 1] first. Pixels that were not observed are taken as 0 on both sides.

    Args:
        forecast: what is scored.
        clips: the test split.
        chosen: which of them are scored.
        metrics: by name.
        draws: which futures of a stochastic network.
        keep: numbers of clips whose forecast is given back.
        batch: clips at a time; no score changes with it.
        workers: processes that load clips.
        device: where the network lies.
        name: for the bar.
        progress: show a bar on stderr.
        sink: is given every forecast, as it is scored.
        apart: names of metrics whose value of each clip is kept too.

    Raises:
        ForecastError: a forecast that is not finite.
    """
    drawn = futures(forecast, draws)
    scores = tally(metrics, draws, len(drawn))
    each = PerClip({name: metrics[name] for name in apart if name in metrics}, len(drawn))
    for clip in _batches(clips, chosen, batch, workers, name, progress):
        for number, future in enumerate(drawn):
            found = _frames(future, clip, device)
            scores.add(number, found, clip.future)
            each.add(found, clip.future)
            if sink is not None:
                sink(clip, found, number, len(drawn))
        scores.next_batch()
        each.next_batch()
    kept, past = {}, {}
    for number in keep:
        clip = next(_batches(clips, [number], 1, 0, name, False))
        kept[number] = to_pixels(_frames(drawn[0], clip, device)[0])
        past[number] = clip.past.to(device)
    several = draws.told if drawn[0] is not forecast else ""
    return Scored(scores.values(), kept, several, each.details() | inside(forecast, past))


def to_pixels(frames: Tensor | npt.NDArray[np.floating[Any]]) -> Pixels:
    """Round frames in [0, 1] to eight bits, for pictures alone."""
    found: Pixels = np.rint(np.asarray(frames, np.float32).clip(0, 1) * 255).astype(np.uint8)
    return found


def _frames(forecast: Forecast, clip: ClipBatch, device: torch.device | None) -> Tensor:
    """Forecast the future of a clip, clamped, with 0 where it was not observed."""
    length = clip.past.shape[1]
    past, observed = clip.past.to(device), clip.observed[:, :length].to(device)
    with torch.inference_mode():
        found = forecast(past, clip.future.shape[1], observed=observed).float().cpu()
    if not bool(torch.isfinite(found).all()):
        raise ForecastError(
            "forecast: got values that are not finite, expected numbers; the training went wrong, lower "
            "training.learning_rate.start or set training.gradient_clip"
        )
    return found.clamp(0, 1) * clip.observed[:, length:]


def _batches(
    clips: VideoDataset, chosen: Sequence[int], batch: int, workers: int, name: str, progress: bool
) -> Iterator[ClipBatch]:
    keys = [(clips.epoch, index) for index in chosen]
    loader: Any = DataLoader(
        KeyedClips(clips),
        batch_sampler=[keys[at : at + batch] for at in range(0, len(keys), batch)],
        collate_fn=as_read,
        num_workers=workers,
    )
    yield from tqdm(loader, desc=f"score {name}", unit="batch", disable=not progress, leave=False)
