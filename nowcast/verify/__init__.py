"""Scores as sums that add up over chunks, batches, ranks and years."""
