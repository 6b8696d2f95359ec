"""The warnings of a nowcast as they are published and told, in terms of CAP.

Source: OASIS, Common Alerting Protocol 1.2, for the meaning of status, msgType, onset and expires.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nowcast.core.errors import printable
from nowcast.core.times import to_text
from nowcast.service.ledger_schema import FALSE_ALARM, HIT, MISS
from nowcast.service.settings import ServiceSettings
from nowcast.service.warning_ledger import WarningLedger

SCHEMA, VERSION = "nowcast warnings", 1
_BY = {"reflectivity": "one field without probabilities"}


def bulletin(
    settings: ServiceSettings,
    judged: Sequence[Mapping[str, Any]],
    reference_time: np.datetime64,
    published: np.datetime64,
    attrs: Mapping[str, Any],
    known: WarningLedger | None,
    replay: bool = False,
) -> list[dict[str, Any]]:
    """Write the warnings that are raised.

    Args:
        settings: the service.
        judged: what `nowcast.service.answers` wrote, of all warnings.
        reference_time: forecast reference time.
        published: the present.
        attrs: ``model``, ``fallback``, ``observed_from`` and ``licence`` of the nowcast.
        known: the record of earlier warnings; None where there is none.
        replay: these are of a replay and for nobody to act on.

    Returns:
        Plain values. ``id`` stays the same however often one is told, and belongs to one nowcast and warning.
    """
    found = []
    for warning in judged:
        if not warning["raised"]:
            continue
        repeated = known is not None and known.raised_before(reference_time, warning["name"])
        found.append(
            {
                "schema": SCHEMA,
                "version": VERSION,
                "id": identifier(settings.name, reference_time, warning["name"]),
                "service": settings.name,
                "sent": to_text(published),
                "status": "Exercise" if replay else "Actual",
                "msg_type": "Update" if repeated else "Alert",
                "name": warning["name"],
                warning["kind"]: warning["where"],
                "headline": headline(warning),
                "event": warning["event"],
                "quantity": warning["quantity"],
                "unit": warning["unit"],
                "at_least": warning["at_least"],
                "minutes": warning["minutes"],
                "of": warning["of"],
                "probability": warning["probability"],
                "limit": warning["limit"],
                "by": _BY.get(warning["by"], warning["by"]),
                "lower_bound": warning["lower_bound"],
                "forecast_reference_time": to_text(reference_time),
                "onset": warning["onset"],
                "expires": warning["period_ends"],
                "reliability": reliability_sentence(settings, warning, reference_time, known),
                **{
                    key: printable(attrs.get(key, ""))
                    for key in ("model", "fallback", "observed_from", "licence")
                },
            }
        )
    return found


def identifier(service: str, reference_time: np.datetime64, name: str) -> str:
    """Return the id of one warning of one nowcast: letters, digits, dots and dashes alone."""
    moment = to_text(reference_time).replace("-", "").replace(":", "")
    return f"{service}.{moment}.{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def headline(warning: Mapping[str, Any]) -> str:
    """Say in one line what is expected, where, until when and how likely."""
    if warning["probability"] is None:
        likely = "expected by the one field of the forecast, probability not known"
    else:
        least = "at least " if warning["lower_bound"] else ""
        likely = f"probability {least}{warning['probability']:.0%}"
    return f"{warning['name']}: {warning['event']}, until {warning['period_ends'][:16]}Z, {likely}"


def reliability_sentence(
    settings: ServiceSettings,
    warning: Mapping[str, Any],
    reference_time: np.datetime64,
    known: WarningLedger | None,
) -> str:
    """Say how often this warning came true of late, and what the calibration knows of such probabilities."""
    since = reference_time - np.timedelta64(round(settings.warning_hours * 3600), "s")
    counts = {} if known is None else known.counts(since).get(warning["name"], {})
    hits, alarms, misses = (counts.get(word, (0, None))[0] for word in (HIT, FALSE_ALARM, MISS))
    if hits + alarms:
        text = (
            f"{hits} of {hits + alarms} such warnings of the last {settings.warning_hours / 24:g} days came "
            f"true; {misses} events came without one"
        )
    else:
        text = "no such warning has been verified yet"
    of_cells = warning.get("cells_reliability", "")
    if warning["probability"] is None:
        of_cells = "the forecast has no probabilities, so this one is not calibrated"
    return f"{text}; {of_cells}" if of_cells else text
