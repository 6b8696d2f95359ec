"""Settings and stacks of the recurrent networks but ASTM and LMC-Memory.

The settings of a network under MotionRNN only add ``motion``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import FrameSpec
from nowcast.models.cells.base import RecurrentCell, check_filter_size
from nowcast.models.cells.causal_lstm import CausalLSTM, GradientHighwayUnit
from nowcast.models.cells.conv_tt import ConvTTLSTM
from nowcast.models.cells.convlstm import ConvLSTM
from nowcast.models.cells.eidetic3d import EideticCell, Reach
from nowcast.models.cells.mim import MIMCell
from nowcast.models.cells.motion import MotionSettings
from nowcast.models.cells.stlstm import STLSTM
from nowcast.models.cells.trajgru import TrajGRU
from nowcast.models.padding import check_size
from nowcast.models.recurrent import RecurrentStack
from nowcast.models.stack_builder import StackSettings, build_stack, map_of


@dataclass(frozen=True)
class ConvLSTMSettings(StackSettings):
    """ConvLSTM."""

    peephole: bool = True
    """The convolutional peephole, with which the counts of MotionRNN's Table 2 come out."""


@dataclass(frozen=True)
class PredRNNSettings(StackSettings):
    """PredRNN: ST-LSTM cells."""

    layer_norm: bool = False
    """Layer norm after each gate convolution; ties the network to one frame size."""


@dataclass(frozen=True)
class MotionConvLSTMSettings(ConvLSTMSettings):
    """ConvLSTM under MotionRNN."""

    motion: MotionSettings = field(default_factory=MotionSettings)


@dataclass(frozen=True)
class MotionPredRNNSettings(PredRNNSettings):
    """PredRNN under MotionRNN."""

    motion: MotionSettings = field(default_factory=MotionSettings)


@dataclass(frozen=True)
class MIMSettings(StackSettings):
    """MIM: an ST-LSTM at the bottom, MIM cells above."""

    hadamard: bool = False
    """Peepholes with a weight at every place, as published; ties the network to one frame size."""
    difference: Literal["hidden", "relayed"] = "hidden"
    """What MIM-N reads above the second layer. ``hidden``: how what comes from below has changed (paper);
    ``relayed``: the output of the MIM-N of the cell below (published code)."""


@dataclass(frozen=True)
class MotionMIMSettings(MIMSettings):
    """MIM under MotionRNN."""

    motion: MotionSettings = field(default_factory=MotionSettings)


@dataclass(frozen=True)
class E3DLSTMSettings(StackSettings):
    """E3D-LSTM; kernel and clip are those with which MotionRNN's Table 2 comes out."""

    frame_taps: int = 3
    """Size of the kernels along the frames of the clip; odd. With ``filter_size`` 5: 3 x 5 x 5."""
    clip_frames: int = 2
    """L: how many of the newest frames a step sees."""
    tau: int = 5
    """How many past memories are recalled from: bounds what a step holds, however long the sequence."""
    recall: Reach = "everywhere"
    """``everywhere``: from each place to all places of all memories (paper); ``in_place``: to the same
    place of all memories, for maps of more than some 64 x 64 places."""
    layer_norm: bool = True
    """Normalise what is kept of old memories, as the paper's equation; without it their mean is kept."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_filter_size("frame_taps", self.frame_taps)
        _check_counts(self, "clip_frames", "tau")


@dataclass(frozen=True)
class MotionE3DSettings(E3DLSTMSettings):
    """E3D-LSTM under MotionRNN."""

    motion: MotionSettings = field(default_factory=MotionSettings)


@dataclass(frozen=True)
class PredRNNPlusPlusSettings(StackSettings):
    """PredRNN++: Causal LSTMs, and a Gradient Highway Unit above the bottom one."""

    layer_norm: bool = False
    """Layer norm after each gate convolution; ties the network to one frame size."""


@dataclass(frozen=True)
class TrajGRUSettings(StackSettings):
    """TrajGRU."""

    links: int = 13
    """How many learned neighbours each place reads."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_counts(self, "links")


@dataclass(frozen=True)
class ConvTTLSTMSettings(StackSettings):
    """Conv-TT-LSTM."""

    order: int = 3
    """How many convolutions the tensor train has."""
    past_steps: int = 3
    """How many past hidden maps it sees; not less than ``order``."""
    rank: int = 8
    """Channels that pass along the train."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_counts(self, "order", "rank")
        if self.past_steps < self.order:
            raise SettingsError(
                complain(
                    "past_steps",
                    self.past_steps,
                    f"order ({self.order}) or more",
                    f"take {self.order}, or a smaller order",
                )
            )


def build_convlstm(settings: ConvLSTMSettings, spec: FrameSpec) -> RecurrentStack:
    """Build ConvLSTM, under MotionRNN where the settings have ``motion``."""

    def cell(layer: int, wide_in: int, wide: int) -> RecurrentCell:
        del layer
        return ConvLSTM(wide_in, wide, settings.filter_size, settings.peephole)

    return build_stack(settings, spec, cell)


def build_predrnn(
    settings: PredRNNSettings, spec: FrameSpec, stack: type[RecurrentStack] = RecurrentStack
) -> RecurrentStack:
    """Build PredRNN, under MotionRNN where the settings have ``motion``."""
    map_size = map_of(spec.size, settings) if settings.layer_norm else None

    def cell(layer: int, wide_in: int, wide: int) -> RecurrentCell:
        del layer
        return STLSTM(wide_in, wide, settings.filter_size, map_size)

    return build_stack(settings, spec, cell, tied=settings.layer_norm, stack=stack)


def build_mim(settings: MIMSettings, spec: FrameSpec) -> RecurrentStack:
    """Build MIM, under MotionRNN where the settings have ``motion``."""
    map_size = map_of(spec.size, settings) if settings.hadamard else None
    relayed = settings.difference == "relayed"

    def cell(layer: int, wide_in: int, wide: int) -> RecurrentCell:
        if layer == 0:
            return STLSTM(wide_in, wide, settings.filter_size)
        return MIMCell(wide_in, wide, settings.filter_size, map_size, relayed)

    return build_stack(settings, spec, cell, tied=settings.hadamard)


def build_e3d_lstm(settings: E3DLSTMSettings, spec: FrameSpec) -> RecurrentStack:
    """Build E3D-LSTM, under MotionRNN where the settings have ``motion``."""
    kernel = (settings.frame_taps, settings.filter_size, settings.filter_size)

    def cell(layer: int, wide_in: int, wide: int) -> RecurrentCell:
        del layer
        return EideticCell(
            wide_in, wide, kernel, settings.tau, settings.clip_frames, settings.layer_norm, settings.recall
        )

    return build_stack(settings, spec, cell)


def build_predrnnpp(settings: PredRNNPlusPlusSettings, spec: FrameSpec) -> RecurrentStack:
    """Build PredRNN++: the highway unit is one more cell of the stack."""
    if spec.size is not None:
        check_size((settings.patch, settings.patch), *spec.size)
    map_size = map_of(spec.size, settings) if settings.layer_norm else None
    wide_in, memory = settings.patch**2 * spec.channels, settings.hidden[-1]
    cells: list[RecurrentCell] = []
    for layer, wide in enumerate(settings.hidden):
        cells.append(CausalLSTM(wide_in, wide, settings.filter_size, memory, map_size))
        if layer == 0 and len(settings.hidden) > 1:
            cells.append(GradientHighwayUnit(wide, wide, settings.filter_size, map_size))
        wide_in = memory = wide
    return RecurrentStack(cells, spec if settings.layer_norm else spec._replace(size=None), settings.patch)


def build_trajgru(settings: TrajGRUSettings, spec: FrameSpec) -> RecurrentStack:
    """Build TrajGRU."""

    def cell(layer: int, wide_in: int, wide: int) -> RecurrentCell:
        del layer
        return TrajGRU(wide_in, wide, settings.filter_size, settings.links)

    return build_stack(settings, spec, cell)


def build_conv_tt_lstm(settings: ConvTTLSTMSettings, spec: FrameSpec) -> RecurrentStack:
    """Build Conv-TT-LSTM."""

    def cell(layer: int, wide_in: int, wide: int) -> RecurrentCell:
        del layer
        return ConvTTLSTM(
            wide_in, wide, settings.filter_size, settings.order, settings.past_steps, settings.rank
        )

    return build_stack(settings, spec, cell)


def _check_counts(settings: StackSettings, *names: str) -> None:
    for name in names:
        if getattr(settings, name) < 1:
            raise SettingsError(complain(name, getattr(settings, name), "1 or more", "take the default"))
