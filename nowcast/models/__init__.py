"""Networks on plain tensors: cells, the one loop over time, whole models and their catalog."""
