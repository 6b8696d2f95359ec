"""The optimisers of training, as torch has them.

Why none of our own: a resumed run takes up exactly the state that torch keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn

from nowcast.core.errors import SettingsError, complain

OptimizerName = Literal["adam", "adamw", "adafactor", "lion"]
CLASSES: dict[str, str] = {"adam": "Adam", "adamw": "AdamW", "adafactor": "Adafactor", "lion": "Lion"}
"""Setting -> class of ``torch.optim``."""


def check_optimizer(name: str) -> None:
    """Refuse an optimiser that this torch does not have.

    Raises:
        SettingsError: it is absent.
    """
    if not hasattr(torch.optim, CLASSES[name]):
        there = ", ".join(known for known, kind in CLASSES.items() if hasattr(torch.optim, kind))
        what = f"'{name}', and torch {torch.__version__} has no torch.optim.{CLASSES[name]}"
        raise SettingsError(complain("training.optimizer", what, f"one of {there}", "choose one of these"))


def make_optimizer(
    name: OptimizerName, parameters: Iterable[nn.Parameter], rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Make an optimiser with torch's defaults but for the rate and the decay of weights.

    The decay is decoupled and times the rate in all of them, so ``adam`` with a decay is AdamW.

    Raises:
        SettingsError: this torch does not have it.

    Source: Kingma and Ba (2015), Adam; Loshchilov and Hutter (2019), AdamW; Shazeer and Stern (2018),
    Adafactor; Chen et al. (2023), Lion.
    """
    check_optimizer(name)
    if name == "adam" and not weight_decay:
        return torch.optim.Adam(parameters, lr=rate)
    kind = "AdamW" if name == "adam" else CLASSES[name]
    made: torch.optim.Optimizer = getattr(torch.optim, kind)(parameters, lr=rate, weight_decay=weight_decay)
    return made
