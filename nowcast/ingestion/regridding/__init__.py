"""Regridding at ingest: the grid that is wanted, the weights to it, and frames put on it."""
