"""What all wrappers around a network share: a network inside, and the interface of a network outside."""

from __future__ import annotations

from typing import Self

from torch import Tensor

from nowcast.core.errors import SettingsError
from nowcast.models.base import Phase, SequenceModel


class ModelWrapper(SequenceModel):
    """A network inside another; what a wrapper does not change is the network's own.

    Letters: B batch, T past frames, S forecast steps, H rows, W columns.
    """

    def __init__(self, network: SequenceModel) -> None:
        super().__init__()
        self.network = network
        self.past_min, self.multiple_of = network.past_min, network.multiple_of
        self.reads_unseen = network.reads_unseen

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) that layer norm ties the network inside to, else None."""
        found: tuple[int, int] | None = getattr(self.network, "size", None)
        return found

    def compared(self, forecast: Tensor, observed: Tensor, seen: Tensor) -> Phase:
        """Compare as the network inside does."""
        return self.network.compared(forecast, observed, seen)

    def frames(self, forecast: Tensor) -> Tensor:
        """Make frames as the network inside does."""
        return self.network.frames(forecast)

    def motion(self, past: Tensor, steps: int) -> Tensor:
        """Give the motion that the network inside believes in (`RecurrentStack.motion`).

        Raises:
            SettingsError: it knows of none.
        """
        inner = getattr(self.network, "motion", None)
        if inner is None:
            raise SettingsError("motion: got a network without MotionGRU, expected a MotionRNN; take one")
        found: Tensor = inner(past, steps)
        return found

    def forecast_only(self) -> Self:
        """Drop what the network inside does not need to forecast."""
        self.network.forecast_only()
        self.left_out = tuple(f"network.{name}" for name in self.network.left_out)
        return self
