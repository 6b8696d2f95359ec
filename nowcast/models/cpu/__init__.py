"""Networks on CPUs: packed weights, Winograd convolutions, fast copies, peak memory of training."""
