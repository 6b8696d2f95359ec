"""Which parts of a network are trained, for example a head alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from nowcast.core.errors import SettingsError, complain


def trained_parameters(network: nn.Module, only: Sequence[str]) -> list[nn.Parameter]:
    """List the parameters that are trained, and keep the others as they are.

    Others get no gradient, so that the pass backwards ends where the parts begin. Buffers (running means) are
    no parameters and go on.

    Args:
        network: its parameters are switched on or off.
        only: names of parts, modules or parameters, as they stand one after the other in a parameter's
            dotted name: ``cascade.pixel_layers`` is in ``network.cascade.pixel_layers.0.bias``. None is all.

    Raises:
        SettingsError: a part that the network does not have.
    """
    if not only:
        return list(network.parameters())
    found = set()
    chosen = []
    for name, parameter in network.named_parameters():
        within = [part for part in only if f".{part}." in f".{name}."]
        parameter.requires_grad_(bool(within))
        found.update(within)
        if within:
            chosen.append(parameter)
    if lacking := [part for part in only if part not in found]:
        known = sorted({name.removeprefix("network.").split(".")[0] for name, _ in network.named_parameters()})
        raise SettingsError(
            complain("training.only", lacking[0], "a part of the network", f"such as {', '.join(known)}")
        )
    return chosen
