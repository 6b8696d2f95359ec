"""Scores: sums that add up over anything, and the values they end in. Knows no forecaster and no file."""
