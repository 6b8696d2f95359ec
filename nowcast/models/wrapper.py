"""What all wrappers around a network share: a network inside, and the interface of a network outside."""

from __future__ import annotations

from typing import Protocol, Self

from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import OptimiserStep, ScheduledTargets, SequenceModel


class Inner(Protocol):
    """What a wrapper calls: the network inside, or the future of a seed that it holds possible."""

    def __call__(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`."""
        ...


class ModelWrapper(SequenceModel):
    """A network inside another; what a wrapper does not change is the network's own.

    Dimensions: B batch, T past frames, S forecast steps, H rows, W columns.
    """

    def __init__(self, network: SequenceModel) -> None:
        super().__init__()
        self.network = network
        self.past_min, self.multiple_of = network.past_min, network.multiple_of
        self.feeds_back, self.stochastic = network.feeds_back, network.stochastic

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) that the network inside is tied to, else None."""
        found: tuple[int, int] | None = getattr(self.network, "size", None)
        return found

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`."""
        return self.around(self.network, past, steps, targets, observed)

    def draw(self, past: Tensor, steps: int, seed: int, observed: Tensor | None = None) -> Tensor:
        """Forecast one of the futures that the network inside holds possible."""

        def future(
            past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
        ) -> Tensor:
            return self.network.draw(past, steps, seed, observed)

        return self.around(future, past, steps, None, observed)

    def around(
        self,
        network: Inner,
        past: Tensor,
        steps: int,
        targets: ScheduledTargets | None,
        observed: Tensor | None,
    ) -> Tensor:
        """Forecast with what stands around the network; the arguments are those of `SequenceModel.forward`."""
        return network(past, steps, targets, observed)

    def compared(
        self, forecast: Tensor, future: Tensor, observed: Tensor, faintest: Tensor | None = None
    ) -> OptimiserStep:
        """Compare as the network inside does."""
        return self.network.compared(forecast, future, observed, faintest)

    def frames(self, forecast: Tensor) -> Tensor:
        """Make frames as the network inside does."""
        return self.network.frames(forecast)

    def motion(self, past: Tensor, steps: int, observed: Tensor | None = None) -> Tensor:
        """The motion along which the network inside moves features (`RecurrentStack.motion`).

        Raises:
            SettingsError: it has none.
        """
        inner = getattr(self.network, "motion", None)
        if inner is None:
            raise SettingsError(complain("motion", "a network without MotionGRU", "a MotionRNN", "choose one"))
        found: Tensor = inner(past, steps, observed)
        return found

    def forecast_only(self) -> Self:
        """Drop what the network inside does not need to forecast."""
        self.network.forecast_only()
        self.left_out = tuple(f"network.{name}" for name in self.network.left_out)
        return self
