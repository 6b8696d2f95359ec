"""Radar files into an archive."""

from nowcast.ingestion.pipeline import ingest

__all__ = ["ingest"]
