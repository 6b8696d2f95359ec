"""The page of a forecast: one file with a map to zoom and pan, a time slider and values under the pointer."""
