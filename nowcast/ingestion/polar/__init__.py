"""Polar volumes to a grid: readers of sweeps, beam geometry, gridding, composites of several radars."""
