"""Recurrent cells, one file a cell; each goes into the same stack and the same loop."""
