"""Forecasters whose truth is known: one that is a fixed number of dB off, one that knows probabilities."""

import json

import numpy as np

from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters import inputs as past
from nowcast.forecasters.base import Needs, label_forecast
from nowcast.forecasters.decision import dbz_from_probabilities


class Weak:
    """Persistence that is too weak by some dB; counts how often it was asked."""

    def __init__(self, name="weak", by_db=6.0):
        self.name, self.by_db, self.asked = name, by_db, 0
        self.needs = Needs(past=2)

    def describe(self):
        return {"model": self.name, "settings": json.dumps({"by_db": self.by_db})}

    def forecast(self, observed, lead_times):
        self.asked += 1
        newest = past.newest(observed, self.needs, self.name).dbz[-1]
        said = np.where(newest > NO_ECHO_DBZ, newest - np.float32(self.by_db), newest)
        many = np.repeat(said[None], len(lead_times), axis=0)
        return label_forecast(many, observed["time"].values[-1], lead_times, Grid.of(observed))


class Probable(Weak):
    """Knows exceedance probabilities: a logistic curve around persistence, too low by a factor."""

    def __init__(self, name="probable", factor=0.6, thresholds=(20.0, 30.0, 40.0), sha256="f" * 64):
        super().__init__(name)
        self.factor, self.thresholds_dbz, self.sha256 = factor, thresholds, sha256

    def describe(self):
        return {"model": self.name, "checkpoint_sha256": self.sha256, "settings": "{}"}

    def forecast(self, observed, lead_times):
        self.asked += 1
        newest = past.newest(observed, self.needs, self.name).dbz[-1]
        curves = np.stack([self.factor / (1 + np.exp((t - newest) / 2)) for t in self.thresholds_dbz])
        values = np.repeat(curves[:, None], len(lead_times), axis=1).astype(np.float32)
        dbz = dbz_from_probabilities(values, self.thresholds_dbz)
        start, grid = observed["time"].values[-1], Grid.of(observed)
        return label_forecast(dbz, start, lead_times, grid, values, self.thresholds_dbz)
