"""Fields in, fields out: baselines, networks and wrappers behind one interface."""
