"""What everything else shares: the field, grids, times, scaling, settings, files and errors."""
