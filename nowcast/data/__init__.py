"""From archives and videos to clips: frame sources, windows, splits and the memory-mapped cache."""
