"""Data sets with an official split: who may be chosen, and who belongs to which part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from nowcast.core.errors import SettingsError

SplitPart = Literal["train", "validation", "test"]
T = TypeVar("T", int, str)


def check_choices(kind: str, chosen: Mapping[str, tuple[Sequence[Any], Sequence[Any]]]) -> None:
    """Refuse a choice of what the data set does not have.

    Args:
        kind: of source, for the message.
        chosen: by the name of the setting: what was chosen, and all there is.

    Raises:
        SettingsError: with the setting, the value and all there is.
    """
    for name, (values, known) in chosen.items():
        for value in values:
            if value not in known:
                raise SettingsError(
                    f"{kind}.{name}: got {value}, expected some of {', '.join(map(str, known))}"
                )


def of_part(part: SplitPart, train: Sequence[T], validation: Sequence[T], test: Sequence[T]) -> tuple[T, ...]:
    """Give who belongs to a part; those to validate on are some of those to train on."""
    if part == "test":
        return tuple(test)
    return tuple(who for who in train if (who in validation) == (part == "validation"))
