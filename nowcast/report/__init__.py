"""Everything that draws: maps, charts and the self-contained page."""
