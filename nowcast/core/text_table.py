"""Tables as text: aligned for the terminal, and with commas for a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def text_table(lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return lines of cells as aligned columns: the first ``left`` to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def csv_text(lines: Iterable[Sequence[object]]) -> str:
    """Lines of cells as the text of a CSV file; names with commas and quotes are quoted."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
