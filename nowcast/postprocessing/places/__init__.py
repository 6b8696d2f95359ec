"""A forecast at places: where they lie on the grid, what their cells hold, and how that is told."""
