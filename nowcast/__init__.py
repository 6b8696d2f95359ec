"""Weather nowcasting around radar sequences: archive, networks, forecasts, scores and maps."""

__version__ = "0.1.0"
