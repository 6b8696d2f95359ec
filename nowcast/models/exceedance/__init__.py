"""Exceedance probabilities in place of values: the wrapper, the cascade of logits, the context U-Net."""
