"""Forecasts with members on small grids, by hand."""

import numpy as np

from nowcast.core.field import make_field
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import label_forecast
from tests.fakes.fields import projected_grid, times

START = np.datetime64("2025-03-22T11:20", "ns")
MARSHALL_PALMER = "marshall_palmer: Z = 200 R^1.6 (somewhere)"


def leads(count, step_minutes=10):
    return np.arange(1, count + 1) * np.timedelta64(step_minutes, "m")


def observed(frame, count=3, step_minutes=10):
    """Past frames of which the last is given and the others are dry."""
    past = np.full((count, *frame.shape), NO_ECHO_DBZ, np.float32)
    past[-1] = frame
    grid = projected_grid(*frame.shape)
    return make_field(past, times(count, step_minutes, "2025-03-22T11:00"), grid)


def ensemble(members, step_minutes=10, relation=MARSHALL_PALMER, thresholds=(), probabilities=None):
    """A forecast whose one field is the first of the members (M, S, H, W)."""
    members = np.asarray(members, np.float32)
    grid = projected_grid(*members.shape[2:])
    lead_times = leads(members.shape[1], step_minutes)
    made = label_forecast(members[0], START, lead_times, grid, probabilities, thresholds)
    if relation:
        made.attrs["z_r_relation"] = relation
    return made.assign_coords(member=("member", np.arange(len(members)))).assign(
        reflectivity_members=(("member", "lead_time", "y", "x"), members)
    )


def constant(dbz_of_members, frames, shape=(5, 7)):
    """Members that are each one value everywhere and always."""
    values = np.asarray(dbz_of_members, np.float32)[:, None, None, None]
    return np.broadcast_to(values, (len(dbz_of_members), frames, *shape)).copy()
