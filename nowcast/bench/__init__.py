"""Forecasters times data times scores, timed."""
