"""Text from outside is shown on one line that no terminal obeys."""

import os

import pytest

from nowcast.core.errors import complain, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("radar 2025.h5", "radar 2025.h5"),
        ("Météo-France, ±0.5°, 雨", "Météo-France, ±0.5°, 雨"),
        ("two\nlines\tand  a tab", "two lines and a tab"),
        ("\x1b]0;title\x07\x1b[31mred", r"\x1b]0;title\x07\x1b[31mred"),
        (os.fsdecode(b"caf\xe9.h5"), r"caf\udce9.h5"),
        ("\u202egpj.h5", r"\u202egpj.h5"),
        ("\x9b2J", r"\x9b2J"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text, shown):
    assert printable(text) == shown
    assert complain(f"/in/{text}", text, "text", "do it") == f"/in/{shown}: got {shown}, expected text; do it"
    shown.encode("utf-8")
