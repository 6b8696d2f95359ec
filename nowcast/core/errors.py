"""The one tree of errors: each carries what is wrong, its value, what was expected and what to do."""

from __future__ import annotations


class NowcastError(Exception):
    """A mistake that the user can mend; the command line prints it as one line and exits with 2."""


class FileError(NowcastError):
    """A file that is absent, truncated, of no known format or not what it says it is."""


class GridError(NowcastError):
    """Two grids that should be one, or a grid that says too little about itself."""


class TimeError(NowcastError):
    """A time off the step, in the future, given twice with different content, or a period without frames."""


class SettingsError(NowcastError):
    """An unknown key, a value of the wrong type or outside its range."""


class ArchiveError(NowcastError):
    """An archive that does not exist, is damaged or cannot take what it is given."""


class CheckpointError(NowcastError):
    """A checkpoint that cannot be read safely or does not fit the network."""


class MissingWeightsError(NowcastError):
    """Pretrained weights that a score needs and that are not here; the message says how to get them."""


class MissingExtraError(NowcastError):
    """A feature whose optional library is not installed; the message names the extra."""

    def __init__(self, feature: str, library: str, extra: str) -> None:
        self._parts = feature, library, extra
        super().__init__(
            f"{feature} needs the library '{library}', which is not installed: pip install 'nowcast[{extra}]'"
        )

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        """It comes whole from a worker process."""
        return MissingExtraError, self._parts


def printable(text: object) -> str:
    """Make text from outside fit to be shown: one line, and nothing in it that a terminal obeys.

    Why: a file name or an attribute may hold newlines, escape codes, marks that reverse the direction of
    writing, or bytes that are no text. White space becomes one space, the rest an escape such as ``\\x1b``.
    """
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def shown(value: object) -> str:
    """Return a value as a message shows it: as it is written in Python, at most 200 characters of it."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def complain(what: str, value: object, expected: str, remedy: str) -> str:
    """Make the one line every error message is made of; what is not printable is escaped.

    Why: a message that lacks one of the four parts sends the user to the source code.

    Args:
        what: the thing at fault, named as the user knows it (a file, a setting, a threshold).
        value: what was found.
        expected: what would have been right.
        remedy: what to do now.
    """
    return printable(f"{what}: got {value}, expected {expected}; {remedy}")
