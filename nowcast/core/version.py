"""The version of the package, told here alone: the wheel and the release routine read it."""

__version__ = "0.2.0.dev0"
