"""The words by which a forecast at places says what is known of them, and what its answers are from."""

OUTSIDE, UNKNOWN, PARTLY, KNOWN = "outside", "unknown", "partly known", "known"
"""Statuses of a place."""
BY_MEMBERS, BY_PROBABILITIES, BY_FIELD = "members", "probabilities", "reflectivity"
"""What begin and end of rain are from."""
FROM_MODEL, FROM_MEMBERS, FROM_CELL, FROM_NOTHING = "model", "members", "highest cell", "none"
"""What probabilities are from."""
