"""What a benchmark refuses: networks of probabilities, and test data that something has learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nowcast.core.errors import SettingsError, complain

if TYPE_CHECKING:
    from nowcast.bench.benchmark import Benchmark


def check_frames(probabilities: bool, where: str) -> None:
    """Refuse a network that forecasts probabilities: all scores here are of frames.

    Raises:
        SettingsError: it does.
    """
    if probabilities:
        raise SettingsError(
            complain(
                where, "a network of probabilities", "one that forecasts frames", "score it with nowcast verify"
            )
        )


def check_apart(test: Mapping[str, Any], learned: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a test source that shows what training or validation shows, as far as settings tell.

    Sequences of moving digits follow from seed and number, so an equal seed means equal motion. Any other
    source must differ in some setting; that videos have other names is checked when they are opened.

    Raises:
        SettingsError: they share a seed or all settings.
    """
    for other in learned:
        if test.get("kind") != other.get("kind"):
            continue
        mine, its = dict(test.get("settings") or {}), dict(other.get("settings") or {})
        if test["kind"] in ("moving_digits", "moving_rain"):
            if mine.get("seed", 0) == its.get("seed", 0):
                raise SettingsError(
                    complain(
                        "test_sources",
                        f"{test['kind']} of seed {mine.get('seed', 0)}, which training or validation has too",
                        "a seed of its own",
                        "change it",
                    )
                )
        elif mine == its:
            raise SettingsError(
                complain(
                    "test_sources",
                    f"the {test['kind']} of training or validation",
                    "videos that neither has",
                    "choose another part or path",
                )
            )


def check_columns(bench: Benchmark) -> None:
    """Refuse columns that cannot be.

    Raises:
        SettingsError: lead times that are not forecast, a primary score that is not asked for, a row built upon
            none, scores of dBZ of what is none.
    """
    future = bench.test_window.future
    for name, (first, last) in bench.leads.items():
        if not 1 <= first <= last <= future:
            raise SettingsError(
                complain(
                    f"leads: '{name}'", f"{first} to {last}", f"rising lead times of 1 to {future}", "change"
                )
            )
    if bench.ranked_by not in bench.scores:
        raise SettingsError(
            complain("primary", f"'{bench.primary}'", f"one of {', '.join(bench.scores)}", "correct it")
        )
    if bench.scores_dbz and bench.data.scaling is None:
        raise SettingsError(
            complain("scores", "csi_dbz without data.scaling", "radar in dBZ", "give a scaling")
        )
    names = {row.name for row in bench.rows}
    for row in bench.rows:
        if row.over and row.over not in names:
            raise SettingsError(
                complain(f"rows: '{row.name}' over", f"'{row.over}'", "the name of another row", "correct it")
            )
