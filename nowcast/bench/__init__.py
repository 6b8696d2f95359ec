"""Forecasters x data x scores: verification over a period, comparison tables, timings."""
