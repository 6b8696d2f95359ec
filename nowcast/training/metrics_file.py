"""metrics.csv: one line an event of a run, which a resumed run continues."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from nowcast.core.errors import FileError
from nowcast.core.files import whole_file

COLUMNS = ("iteration", "seconds", "learning_rate", "train_loss", "val_loss", "val_csi20", "val_csi30")


class MetricsFile:
    """Rows of `COLUMNS`; a value that an event does not have is left empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, iteration: int, seconds: float, values: Mapping[str, float]) -> None:
        """Append one row.

        Raises:
            FileError: the disk is full.
        """
        fresh = not self.path.exists()
        told = {name: f"{value:.6g}" for name, value in values.items()}
        try:
            with self.path.open("a", newline="", encoding="utf-8") as handle:
                rows = csv.DictWriter(handle, COLUMNS, restval="")
                if fresh:
                    rows.writeheader()
                rows.writerow({"iteration": iteration, "seconds": f"{seconds:.1f}", **told})
        except OSError as error:
            raise FileError(
                f"{self.path}: cannot be written ({error.strerror}); make room and resume the run"
            ) from error

    def cut_after(self, iteration: int) -> None:
        """Drop rows beyond ``iteration``: those of a run that went on after its last checkpoint."""
        if not self.path.exists():
            return
        kept = [row for row in self.read() if int(row["iteration"]) <= iteration]
        with whole_file(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
            rows = csv.DictWriter(handle, COLUMNS)
            rows.writeheader()
            rows.writerows(kept)

    def read(self) -> list[dict[str, str]]:
        """The rows; an unfinished last line is left out."""
        with self.path.open(newline="", encoding="utf-8") as handle:
            return [row for row in csv.DictReader(handle) if None not in row.values()]
