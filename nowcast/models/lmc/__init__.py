"""LMC-Memory: cell, addressing, motion encoder, network, analysis of its memory."""
