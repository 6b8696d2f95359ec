"""Networks of video prediction as one would first write them from their papers: what ours are held against.

Each is a plain module of PyTorch with the layers in their order, read from a description of the network and not
from the package; ``forward(past, steps)`` takes frames in [0, 1] and forecasts.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns.
"""
