"""Whether the networks of a table can take its clips, asked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable

from tqdm import tqdm

from nowcast.bench.benchmark import Row
from nowcast.bench.costs import Sequences
from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import SequenceModel
from nowcast.models.checkpoint import load_network
from nowcast.models.counts import count
from nowcast.models.padding import check_size, check_tied_size


def check_networks(rows: Iterable[Row], shape: Sequences, progress: bool) -> None:
    """Refuse networks that cannot take these sequences.

    Args:
        rows: those without a network are passed over.
        shape: of the sequences.
        progress: show a bar on stderr if it takes long.

    Raises:
        SettingsError: frames of a size, or too few of them, that a network does not take; names the row.
        CheckpointError: a checkpoint that cannot be read, or of frames of other channels.
    """
    asked = [row for row in rows if row.forecaster is None]
    for row in tqdm(asked, desc="check", unit="network", disable=not progress, delay=3):
        try:
            _check_network(row, shape)
        except SettingsError as error:
            raise SettingsError(f"rows: '{row.name}': {error}") from error


def _check_network(row: Row, shape: Sequences) -> None:
    if row.model is not None:
        count(row.model.name, row.model.settings, shape.past, shape.steps, shape.size, shape.channels)
    elif row.checkpoint is not None:
        _check_fit(load_network(row.checkpoint, shape.channels).model, shape)


def _check_fit(network: SequenceModel, shape: Sequences) -> None:
    check_size(network.multiple_of, *shape.size)
    check_tied_size(network, shape.size, "use frames of that size")
    if shape.past < network.past_min:
        raise SettingsError(
            complain("data.window.past", shape.past, f"{network.past_min} or more", "give more past frames")
        )
