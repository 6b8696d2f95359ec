"""Data sets with a published split: who may be chosen, and who belongs to which part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from nowcast.core.errors import SettingsError

SplitPart = Literal["train", "validation", "test"]
T = TypeVar("T", int, str)


def check_choices(kind: str, chosen: Mapping[str, tuple[Sequence[Any], Sequence[Any]]]) -> None:
    """Refuse a choice of what the data set does not have, and one that leaves nobody to train on.

    Args:
        kind: of source, for the message.
        chosen: by the name of the setting: what was chosen, and all there is. Of a name that begins with
            ``validation`` some must be left.

    Raises:
        SettingsError: with the setting, the value and all there is.
    """
    for name, (values, known) in chosen.items():
        for value in values:
            if value not in known:
                raise SettingsError(
                    f"{kind}.{name}: got {value}, expected some of {', '.join(map(str, known))}"
                )
        if name.startswith("validation") and set(values) == set(known):
            raise SettingsError(f"{kind}.{name}: got all {len(known)}, expected some left to train on")


def of_part(part: SplitPart, train: Sequence[T], validation: Sequence[T], test: Sequence[T]) -> tuple[T, ...]:
    """Return who belongs to a part; those to validate on are some of those to train on."""
    if part == "test":
        return tuple(test)
    return tuple(who for who in train if (who in validation) == (part == "validation"))


def part_names(who: T, validation: Sequence[T], test: Sequence[T]) -> SplitPart:
    """Return the part that someone belongs to who is to train on unless named."""
    if who in test:
        return "test"
    return "validation" if who in validation else "train"
