"""STMFANet: multi-frequency bands of wavelets in space, and in time, beside a recurrent network."""
