"""The costs of rows that were measured before, and whether they are still of the same network and machine."""

from __future__ import annotations

from typing import Any

import torch

from nowcast.bench.benchmark import Benchmark, Row, slug
from nowcast.bench.costs import Costs, Sequences, machine_of
from nowcast.bench.records import Records
from nowcast.core.files import sha256
from nowcast.core.settings import plain


class KeptCosts:
    """The costs of the rows of a benchmark on this machine.

    Args:
        bench: names the rows.
        records: where they are kept.
        shape: of the sequences that are forecast.
        device: where they are timed.

    Raises:
        OSError: a checkpoint that a row names is not there.
    """

    def __init__(self, bench: Benchmark, records: Records, shape: Sequences, device: torch.device) -> None:
        self._records, self._shape, self._device = records, shape, device
        self._given = {row.name: sha256(row.checkpoint) for row in bench.rows if row.checkpoint is not None}

    def of(self, row: Row) -> Costs | None:
        """The costs of a row if they were measured of just this network, shape and machine."""
        found = self._records.costs(slug(row.name), self._about(row))
        return found if found is not None and found.machine == machine_of(self._device) else None

    def put(self, row: Row, costs: Costs) -> None:
        """Keep the costs of a row."""
        self._records.put_costs(slug(row.name), self._about(row), costs)

    def _about(self, row: Row) -> dict[str, Any]:
        given = self._given.get(row.name)
        about = {"model": plain(row.model), "checkpoint": given, "shape": plain(self._shape)}
        if row.model is not None and row.model.lagrangian is not None:
            about["counted"] = False  # what was kept with counts of the inner network alone is measured anew
        return about
