"""LMC-Memory: a recurrent network that recalls long-term motion from a memory of slots.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns of a frame, K hidden
channels at a quarter of its size, D width of a memory slot at a sixteenth of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, FrameSpec, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.cells.base import Relay
from nowcast.models.lmc.addressing import ChannelAttention, MotionMemory
from nowcast.models.lmc.cell import LmcConvLSTM, LmcState, one_space
from nowcast.models.lmc.encoder_decoder import draw_scaled, frame_decoder, frame_encoder
from nowcast.models.lmc.motion import MotionEncoder, difference_frames, first_motion, long_motion
from nowcast.models.padding import check_past, check_size
from nowcast.models.unroll import unroll

R = TypeVar("R")


@dataclass(frozen=True)
class LmcSettings:
    """Settings of LMC-Memory; defaults are those of the published code where nothing else is stated."""

    variant: Literal["none", "pooled", "local"] = "local"
    """The rows of the paper's Table 4: no memory, one query a frame (non-local), one query a place."""
    slots: int = 100
    slot_width: int = 512
    hidden: int = 128
    layers: int = 4
    temperature: float = 1.0
    """Divides the cosines before the softmax; below 1 it sharpens the addressing."""
    sigmoid: bool = False
    """Squash the frames to [0, 1]: published for KTH, not for moving digits."""
    long_length: int = 30
    """Frames of the long clip that is stored."""
    warmup_iterations: int = 0
    """Batches at the start of training with a short horizon; the published code takes 5 000."""
    warmup_steps: int = 10
    """Frames forecast during the warm-up; the long clip is then the past and these."""
    start: Literal["published", "scaled"] = "published"
    """How fresh weights are drawn: by PyTorch's defaults, as published, or so that the frames' signal
    reaches the output (`draw_scaled`), for trainings of less than some ten thousand iterations."""
    save_memory: bool = False
    """Training only: compute activations again in the backward pass instead of keeping them."""

    def __post_init__(self) -> None:
        for name in ("slots", "layers", "warmup_steps"):
            _at_least(name, getattr(self, name), 1)
        _at_least("long_length", self.long_length, 2)
        _at_least("warmup_iterations", self.warmup_iterations, 0)
        for name, multiple in (("hidden", 2), ("slot_width", 8)):
            if (width := getattr(self, name)) < multiple or width % multiple:
                raise SettingsError(complain(name, width, f"a multiple of {multiple}", "change it"))
        if not self.temperature > 0:
            raise SettingsError(
                complain("temperature", self.temperature, "a number above 0", "1 is the published one")
            )


class Recollection(NamedTuple):
    """What the memory recalls for one sequence, computed once."""

    map: Tensor
    """(B, K, H / 4, W / 4)"""
    mean: Tensor
    """(B, K): its mean over all places, half of what the attention reads."""


class LmcMemory(SequenceModel):
    """Video prediction that recalls long-term motion context.

    A sequence is read frame by frame by a stack of ConvLSTMs. Its motion addresses a memory, and what
    the memory recalls is weighed by the stack's state and decoded together with it. In training a
    long clip addresses the memory first and changes it; then the short clip has to find the same.

    Source: Lee et al., "Video Prediction Recalling Long-term Motion Context via Memory Alignment
    Learning", CVPR 2021; where the published code parts from it: ``docs/explanation/differences.md``.
    """

    past_min = 2
    multiple_of = (16, 16)

    def __init__(self, settings: LmcSettings, spec: FrameSpec) -> None:
        super().__init__()
        self.settings, self.increments = settings, spec.increments
        self.channels = channels = spec.channels
        hidden, half = settings.hidden, settings.hidden // 2
        self.encoder = frame_encoder(channels, half, hidden)
        self.cells = nn.ModuleList(LmcConvLSTM(hidden, hidden) for _ in range(settings.layers))
        self.memory: MotionMemory | None = None
        self.attention: ChannelAttention | None = None
        self.match_encoder: MotionEncoder | None = None
        self.store_encoder: MotionEncoder | None = None
        if settings.variant != "none":
            self._add_memory(settings, channels)
        recalled = 0 if settings.variant == "none" else hidden
        self.decoder = frame_decoder(hidden + recalled, half, hidden, channels, settings.sigmoid)
        if settings.start == "scaled":
            self._scale_start()
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.long))
        self.batches_seen: Tensor

    def _add_memory(self, settings: LmcSettings, channels: int) -> None:
        self.memory = MotionMemory(
            settings.slots,
            settings.slot_width,
            settings.hidden,
            pooled=settings.variant == "pooled",
            temperature=settings.temperature,
        )
        self.attention = ChannelAttention(settings.hidden)
        self.match_encoder = MotionEncoder(channels, settings.slot_width)
        self.store_encoder = MotionEncoder(channels, settings.slot_width)
        self.store_encoder.load_state_dict(self.match_encoder.state_dict())
        for encoder in (self.match_encoder, self.store_encoder):
            encoder.save_memory = settings.save_memory

    def _scale_start(self) -> None:
        draw_scaled(self, self.decoder[6])
        if self.match_encoder is not None and self.store_encoder is not None:
            self.store_encoder.load_state_dict(self.match_encoder.state_dict())

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast: see `SequenceModel.forward`. The past's own motion addresses the memory."""
        check_past(self, past, self.channels)
        return unroll(_Sequence(self), past, steps, targets, increments=self.increments)

    def recall(self, motion: Tensor, long: bool = False) -> Recollection:
        """Let difference frames (B, L - 1, C, H, W) of a long or a short clip address the memory."""
        assert self.memory is not None
        recalled = self.memory(self._queries(motion, long))
        return Recollection(recalled, recalled.mean(dim=(2, 3)))

    def address(self, frames: Tensor, long: bool = False) -> Tensor:
        """How much of each slot each place of a clip (B, L, C, H, W) addresses: (B, slots, H / 16, W / 16).

        Raises:
            SettingsError: the network has no memory.
        """
        if self.memory is None:
            raise SettingsError(complain("variant", "none", "a network with a memory", "choose another"))
        return self.memory.address(self._queries(difference_frames(frames), long))

    def _queries(self, motion: Tensor, long: bool) -> Tensor:
        encoder = self.store_encoder if long else self.match_encoder
        if encoder is None:
            raise SettingsError(
                "store_encoder: left out by forecast_only(), needed for long clips; load the whole network"
            )
        queries: Tensor = encoder(motion)
        return queries

    def forecast_only(self) -> Self:
        """Drop the long clip's encoder, which only training needs; a checkpoint may still hold it."""
        self.store_encoder = None
        self.left_out = ("store_encoder.",)
        return self

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield the storing step, then the matching step (one forecast without a memory).

        Storing: the long clip addresses the memory, which learns; the short clip's encoder rests.
        Matching: the short clip addresses it; the memory and the long clip's encoder rest. The
        horizon is cut during the warm-up, so a step may hold fewer frames than the clip.

        Source: Lee et al., CVPR 2021, Algorithm 1.
        """
        steps = self._horizon(clip)
        cut = (clip.past.shape[1], clip.past.shape[1] + steps)
        future, observed = clip.future[:, :steps], clip.observed[:, slice(*cut)]
        if self.memory is None:
            yield OptimiserStep("forecast", self(clip.past, steps, targets), future, observed)
            return
        assert self.match_encoder is not None
        assert self.store_encoder is not None
        if self._warming_up():
            motion = first_motion(clip, cut[1])
        else:
            motion = long_motion(clip, self.settings.long_length, generator)
        if self.training:
            self.batches_seen += 1
        with frozen(self.match_encoder):
            check_past(self, clip.past, self.channels)
            stored = unroll(_Sequence(self, motion), clip.past, steps, targets, increments=self.increments)
            yield OptimiserStep("store", stored, future, observed)
        del stored
        with frozen(self.store_encoder, self.memory.slots):
            yield OptimiserStep("match", self(clip.past, steps, targets), future, observed)

    def _warming_up(self) -> bool:
        return self.training and int(self.batches_seen) < self.settings.warmup_iterations

    def _horizon(self, clip: ClipBatch) -> int:
        steps = clip.future.shape[1]
        return min(steps, self.settings.warmup_steps) if self._warming_up() else steps


def build_lmc(settings: LmcSettings, spec: FrameSpec) -> LmcMemory:
    """Build the network for the catalog; a size that does not fit is refused."""
    if spec.size is not None:
        check_size(LmcMemory.multiple_of, *spec.size)
    return LmcMemory(settings, spec)


@contextlib.contextmanager
def frozen(*parts: nn.Module | nn.Parameter) -> Iterator[None]:
    """Keep these parameters out of forward, backward and the optimiser's step.

    They must have no gradient when the step is taken (``zero_grad`` sets it to None), or momentum
    alone would move them.
    """
    parameters = [
        p for part in parts for p in ([part] if isinstance(part, nn.Parameter) else part.parameters())
    ]
    before = [p.requires_grad for p in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, state in zip(parameters, before, strict=True):
            parameter.requires_grad_(state)


class _Sequence:
    """One pass of the network over one batch, as `unroll` takes it."""

    def __init__(self, net: LmcMemory, long_motion: Tensor | None = None) -> None:
        self.net = net
        self.cells = cast(list[LmcConvLSTM], list(net.cells))
        self.long_motion = long_motion
        self.recollection: Recollection | None = None
        self.saving = net.settings.save_memory and torch.is_grad_enabled()

    def encode(self, frames: Tensor) -> Tensor:
        encoded: Tensor = self._run(self.net.encoder, frames)
        return encoded

    def start(self, first: Tensor, past: Tensor) -> tuple[LmcState, ...]:
        if self.net.memory is not None:
            long = self.long_motion is not None
            motion = self.long_motion if long else difference_frames(past)
            assert motion is not None
            self.recollection = self.net.recall(motion, long)
        return one_space([cell.initial_state(first) for cell in self.cells])

    def step(
        self, x: Tensor, state: tuple[LmcState, ...], emit: bool
    ) -> tuple[Tensor | None, tuple[LmcState, ...]]:
        return self._run(self._step, x, state, emit)

    def _step(
        self, x: Tensor, state: tuple[LmcState, ...], emit: bool
    ) -> tuple[Tensor | None, tuple[LmcState, ...]]:
        relay, states = Relay(), []
        for cell, old in zip(self.cells, state, strict=True):
            output = cell(x, old, relay)
            x = output.hidden
            states.append(output.state)
        frame = self._decode(x, states[-1].cell) if emit else None
        return frame, tuple(states)

    def _decode(self, hidden: Tensor, cell: Tensor) -> Tensor:
        if self.recollection is not None:
            assert self.net.attention is not None
            weights = self.net.attention(cell, self.recollection.mean)
            hidden = torch.cat([hidden, weights * self.recollection.map], dim=1)
        frame: Tensor = self.net.decoder(hidden)
        return frame

    def _run(self, part: Callable[..., R], *inputs: object) -> R:
        if not self.saving:
            return part(*inputs)
        again = checkpoint(part, *inputs, use_reentrant=False, preserve_rng_state=False)
        return cast(R, again)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise SettingsError(complain(name, value, f"at least {least}", "change it"))
